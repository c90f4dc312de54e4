// What the bridge leaves out or refuses, by name: the keys under `drops` of a channel and under
// `http.refused` in its status, and the labels of the metrics made from them. docs/operations.md has each
// with its remedy. Threading: constants.
#pragma once

#include <array>
#include <string_view>

namespace headgate::protocol {

struct BridgeReason {
  std::string_view name;   // the metric's label
  std::string_view where;  // ring | parser | output | client
  std::string_view sentence;
};

// Of one channel. Counted are PES packets, connections for slow_client, segments for segment_not_written.
inline constexpr std::array kBridgeDrops{
    BridgeReason{"damaged_pes", "parser",
                 "PES packet with lost or damaged packets, or without a right header"},
    BridgeReason{"scrambled_pes", "parser", "scrambled PES packet"},
    BridgeReason{"oversized_pes", "parser", "PES packet of more than 4 MiB"},
    BridgeReason{"untimed_pes", "parser", "PES packet that came before the first PCR"},
    BridgeReason{"bad_timestamp_pes", "parser", "PES packet whose time stamps lie 20 s or more off its PCR"},
    BridgeReason{"unreferenced_pes", "parser",
                 "video PES packet between a loss in this node and the next random access point"},
    BridgeReason{"no_segment_open", "parser",
                 "PES packet before the first segment, or between a break and the next"},
    BridgeReason{"segment_full", "output", "PES packet beyond a segment's largest size"},
    BridgeReason{"memory_full", "output",
                 "PES packet beyond what the open segments of all channels may hold"},
    BridgeReason{"segment_not_written", "output", "finished segment that could not be written"},
    BridgeReason{"slow_client", "client", "player that took nothing of an answer for 20 s: cut off"},
};

// Of the HTTP server.
inline constexpr std::array kHttpRefusals{
    BridgeReason{"connections", "client", "more connections than the server takes"},
    BridgeReason{"per_address", "client", "more connections from one address than the server takes"},
    BridgeReason{"accept_error", "client", "a connection could not be accepted"},
    BridgeReason{"header_timeout", "client", "408: the request's header took too long"},
    BridgeReason{"idle_timeout", "client", "no request for too long: closed"},
    BridgeReason{"slow_client", "client", "an answer was not taken in time: cut off"},
    BridgeReason{"bad_request", "client", "400: the request is malformed"},
    BridgeReason{"not_found", "client", "404: no such channel or file, or a segment that is no longer kept"},
    BridgeReason{"method", "client", "405: neither GET, HEAD nor OPTIONS"},
    BridgeReason{"body", "client", "413: the request has a body"},
    BridgeReason{"address_too_long", "client", "414: the address is longer than 2,048 characters"},
    BridgeReason{"range", "client", "416: the range lies outside the segment"},
    BridgeReason{"header_too_long", "client", "431: the header is longer than 8 KiB"},
    BridgeReason{"no_segment_yet", "client", "503: the channel's first segment is not finished"},
};

}  // namespace headgate::protocol
