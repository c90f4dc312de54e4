// What the bridge leaves out or refuses, by name: the keys under `drops` of a channel or an input and under
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

// Of one channel. Counted are PES packets, connections for slow_client, segments for segment_not_written,
// frames for twin_…, ladder_unusable and rtmp_…, pictures for look_…, transport packets for http_ts_skipped
// and srt_skipped.
inline constexpr std::array kBridgeDrops{
    BridgeReason{"damaged_pes", "parser",
                 "PES packet with lost or damaged packets, or without a right header"},
    BridgeReason{"scrambled_pes", "parser", "scrambled PES packet"},
    BridgeReason{"oversized_pes", "parser", "PES packet of more than 4 MiB"},
    BridgeReason{"untimed_pes", "parser", "PES packet that came before the first PCR"},
    BridgeReason{"bad_timestamp_pes", "parser", "PES packet whose time stamps lie 20 s or more off its PCR"},
    BridgeReason{"unreferenced_pes", "parser",
                 "video PES packet between a loss in this node and the next random access point"},
    BridgeReason{
        "sound_not_sent", "ring",
        "PES packet of sound that the ring to the channel's transcode worker had no room for, or of 128 "
        "KiB and more"},
    BridgeReason{"twin_late", "parser",
                 "frame of AAC that came from the transcode worker too late (for RTMP or for all), or from "
                 "before a break"},
    BridgeReason{
        "twin_unusable", "parser",
        "what came from the transcode worker as a frame of AAC and is none, or has an impossible time"},
    BridgeReason{"look_skipped", "output",
                 "picture that was to be looked at while too many others were, or whose result never came"},
    BridgeReason{"look_oversized", "parser",
                 "random access point of more than 2 MiB, which is not looked at"},
    BridgeReason{"ladder_not_sent", "ring",
                 "PES packet of pictures that the ring to a rendition's transcode worker had no room for"},
    BridgeReason{"ladder_unusable", "parser",
                 "frame of a derived rendition with an impossible time, without what it refers to, or beyond "
                 "what its bitrate allows"},
    BridgeReason{"no_segment_open", "parser",
                 "PES packet before the first segment, or between a break and the next"},
    BridgeReason{"segment_full", "output", "PES packet beyond a segment's largest size"},
    BridgeReason{"memory_full", "output",
                 "PES packet beyond what the open segments of all channels may hold"},
    BridgeReason{"segment_not_written", "output", "finished segment that could not be written"},
    BridgeReason{"slow_client", "client", "player that took nothing of an answer for 20 s: cut off"},
    BridgeReason{
        "rtmp_unusable", "parser",
        "frame that RTMP can't carry: before its track's parameters or first random access point, not "
        "whole, or longer than a message"},
    BridgeReason{"rtmp_skipped", "output",
                 "frame that a slow RTMP player lost when it was moved on to the latest random access point"},
    BridgeReason{"http_ts_skipped", "client",
                 "packet that a slow player of TS over HTTP lost: it jumped to the next random access point"},
    BridgeReason{"srt_skipped", "client",
                 "transport packet that a receiver of SRT lost because it did not keep up"},
};

// Of one input that enters through the bridge. Counted are packets for ring_full, too_fast and srt_…, bytes
// for out_of_sync, foreign_bytes and unattached, segments for segment_…, frames for the rest.
inline constexpr std::array kIngestDrops{
    BridgeReason{"ring_full", "ring", "packet that the ring to the fast path had no room for"},
    BridgeReason{"too_fast", "client",
                 "packet beyond what one input may bring: 200 Mb/s, and 16 MiB at once"},
    BridgeReason{"out_of_sync", "parser", "byte of a transport stream that lies in no packet"},
    BridgeReason{"unusable_frame", "parser",
                 "frame that can't go into a transport stream: not whole, without configuration, or with "
                 "impossible times"},
    BridgeReason{"unreadable_frame", "parser",
                 "message of sound or picture over RTMP that breaks its format, or a frame in it"},
    BridgeReason{"unconfigured_frame", "parser",
                 "frame over RTMP that came before the parameters of its track"},
    BridgeReason{"track_left_out", "parser", "frame of a track that a transport stream can't carry"},
    BridgeReason{"mux_full", "parser",
                 "frame beyond what may wait for the other tracks, or too long for PES"},
    BridgeReason{"unattached", "client", "byte of a source that had lost its place"},
    BridgeReason{"foreign_bytes", "parser",
                 "byte of a file or a fetched stream that lies in no transport packet"},
    BridgeReason{"segment_missing", "client",
                 "HLS segment that the server did not give, or not whole, in four tries"},
    BridgeReason{"segment_late", "client", "HLS segment that left the playlist before it was fetched"},
    BridgeReason{"segment_gap", "client", "HLS segment that the playlist marks as missing (EXT-X-GAP)"},
    BridgeReason{"srt_late", "client", "packet of SRT that did not come in time, after all repetitions"},
    BridgeReason{"srt_undecrypted", "client", "packet of SRT that could not be decrypted"},
    BridgeReason{"srt_backlog", "ring",
                 "transport packet of SRT that this process was too busy to take: more than 16 MiB waited"},
};

// Of one push by RTMP or SRT. Counted are frames, or packets.
inline constexpr std::array kPushDrops{
    BridgeReason{"push_skipped", "output",
                 "frame or packet that a push lost because its target did not keep up"},
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
    BridgeReason{"kicked", "client",
                 "a stream, or 403: a request of an HLS viewer, that the operator ended (headgate kick)"},
};

// Of the RTMP server.
inline constexpr std::array kRtmpRefusals{
    BridgeReason{"connections", "client", "more connections than the server takes"},
    BridgeReason{"per_address", "client", "more connections from one address than the server takes"},
    BridgeReason{"accept_error", "client", "a connection could not be accepted"},
    BridgeReason{"not_rtmp", "client", "the first byte is not that of RTMP: a web browser, TLS or RTMPE"},
    BridgeReason{"handshake_timeout", "client", "the handshake took more than 10 s"},
    BridgeReason{"connect_timeout", "client", "no connect within 10 s of the handshake"},
    BridgeReason{"play_timeout", "client", "connected for 30 s without playing or publishing"},
    BridgeReason{"malformed", "client", "chunks or commands that break the protocol or its limits"},
    BridgeReason{"too_many_commands", "client", "more than 1,000 messages in a minute, of media 60,000"},
    BridgeReason{"unknown_application", "client", "an application other than live"},
    BridgeReason{"unknown_channel", "client", "a channel that is not in the map, or not served by RTMP"},
    BridgeReason{"too_many_guesses", "client",
                 "more than 20 unknown channels, or wrong keys of one, in a minute from one address"},
    BridgeReason{"slow_client", "client", "player that took nothing for 10 s, or no answers: cut off"},
    BridgeReason{"tls", "client", "RTMPS: TLS could not be agreed on"},
    BridgeReason{"not_publishable", "client", "publishing to a channel whose inputs have no publish"},
    BridgeReason{"wrong_key", "client", "publishing with a wrong key, or without one"},
    BridgeReason{"place_taken", "client", "publishing to a channel to which another encoder publishes"},
    BridgeReason{"replaced", "client", "encoder that was silent for a second and lost its place to another"},
    BridgeReason{"silent_publisher", "client", "encoder that sent nothing for 30 s: cut off"},
    BridgeReason{"kicked", "client", "player or encoder that the operator ended (headgate kick)"},
};

// Of SRT: callers of the listeners, and of inputs with a port of their own.
inline constexpr std::array kSrtRefusals{
    BridgeReason{"bad_stream_id", "client", "1400: a stream id of no known form"},
    BridgeReason{"no_stream_id", "client", "1400: no stream id"},
    BridgeReason{"not_found", "client", "1404: no such channel, or not served or published by SRT"},
    BridgeReason{"mode", "client", "1405: m=bidirectional"},
    BridgeReason{"media_type", "client", "1415: a media type other than t=stream"},
    BridgeReason{"overload", "client", "1402: more sessions or handshakes than are taken"},
    BridgeReason{"wrong_key", "client", "1401: publishing with a wrong key, or without one"},
    BridgeReason{"too_many_guesses", "client",
                 "1403: publishing after ten wrong keys or channels in a minute from one address"},
    BridgeReason{"conflict", "client", "1409: publishing to a channel to which another encoder publishes"},
    BridgeReason{"silent_publisher", "client", "encoder that sent nothing for 30 s: cut off"},
    BridgeReason{"secret", "client", "10, 11: the passphrase is wrong, missing, or not wanted"},
    BridgeReason{"kicked", "client", "player or encoder that the operator ended (headgate kick)"},
};

}  // namespace headgate::protocol
