// What is said of everything that is discarded or refused: what it was, and what to do about it, for
// docs/operations.md, `why` and the API. The reasons themselves stand in control/protocol/drop_reason.h and
// bridge_drops.h, as the processes that count need them; a test compares. Threading: constants.
#pragma once

#include <array>
#include <string_view>

namespace headgate::catalogue {

struct DropWords {
  std::string_view reason;
  std::string_view what;    // is discarded, or why
  std::string_view remedy;  // "": nothing to do, or `what` says it
};

// Of the fast path.
inline constexpr std::array kDropWords{
    DropWords{"no_flow", "UDP for a group, port and VLAN that no channel takes",
              "Normal on a port that floods or mirrors. If a channel is silent meanwhile: its group or VLAN "
              "is wrong in the map, `probe` it. If it is many: make the switch snoop"},
    DropWords{"wrong_source", "a group that we take, from another source",
              "Two sources send to one group, or the map names the wrong one. Correct `SOURCE@GROUP`, or "
              "take any source"},
    DropWords{
        "wrong_port", "a group that we take, to a port that no channel takes",
        "Normal beside RTP with FEC (two and four ports up). If a channel is silent meanwhile: `why` says "
        "to which port it is sent; correct the map"},
    DropWords{"malformed_ip", "IP or UDP whose lengths disagree with the frame",
              "A broken sender or a truncating capture device. Find it by its address with `tcpdump -ni eth1 "
              "-e`; check `mtu`"},
    DropWords{"ip_fragment", "fragments: they are not put together again, on no device; each is counted",
              "Make the sender use 7 packets a datagram (1,316 bytes) and no tunnel with a smaller MTU"},
    DropWords{"not_ts_size", "a payload that is not 1 to 7 packets of 188 bytes",
              "It is no transport stream, or it is RTP and the map says `udp://`: write `rtp://`"},
    DropWords{"packet_size_204", "packets of 204 bytes",
              "Set the sender to 188 bytes (Reed-Solomon bytes off)"},
    DropWords{"no_sync", "the right size, but no packet begins with 0x47",
              "Encrypted, or no transport stream: look at the sender's output format"},
    DropWords{"rtp_malformed", "RTP of another version, or a header longer than the datagram",
              "It is plain UDP and the map says `rtp://`: write `udp://`"},
    DropWords{"not_for_us", "frames that are neither IPv4, ARP nor for this host (IPv6, STP, LLDP, TCP …)",
              "Normal. If it is many: a port that carries other traffic; use a VLAN or port of its own"},
    DropWords{"repack_no_buffer", "no buffer left to repack a service into",
              "More load than the node can take: see `nic_missed`"},
    DropWords{"nic_missed",
              "frames that the port dropped because its queue was full (on `af_packet:` the kernel's ring)",
              "A rise at a start only: the queue ran over before the channels were known, and what it held "
              "went too, so that streams begin whole. Else: the polling core is too slow or not alone. "
              "`headgate_fastpath_busy_ratio` near 1: fewer channels on this node. Else give it a core of "
              "its own (`fastpath.cores`, real-nic.md) and huge pages"},
    DropWords{"nic_error", "frames received with errors",
              "Cable, optics, duplex: the switch's port counters say which"},
    DropWords{"nic_no_buffer", "frames dropped for want of a buffer",
              "As `nic_missed`; a transmit side without link that holds buffers shows the same"},
    DropWords{
        "output_queue_full", "datagrams whose transmit queue took nothing for 5 ms",
        "The output's link is slower than what is sent, or its receiver sends pause frames (`ethtool -a`)"},
    DropWords{"output_no_buffer", "a copy for a further output",
              "As `nic_missed`: load, or an output that holds buffers"},
    DropWords{"output_link_down", "datagrams for a port without link",
              "Plug it in; the alarm `link_down` says since when"},
    DropWords{"ring_full",
              "slots for the bridge: it is too slow or away, or one channel takes more than its share. The "
              "ring lasts about a second of 2 Mb/s a channel, twice that for one channel alone: a bridge "
              "that a busy machine does not run for so long loses media, each channel `degraded` with \"lost "
              "in this node\", one hole in its playlist. At an input that comes through the bridge: slots "
              "that the fast path never got; one more each time the bridge begins anew",
              "`events` shows whether the bridge died. While it is away this is normal; it marks a gap and "
              "goes on. If it stays: the bridge's core is full; multicast out is not touched"},
    DropWords{"buffer_full",
              "packets that came too early, or were too many, for the input's buffer (`remux.buffer`); and "
              "what a source sends at its start beyond the buffer, to begin near the live edge",
              "Once, at a start, is normal. If it stays: the source sends faster than its own clock, or at "
              "more than one and a half times `remux.bitrate` (without it, 40 Mb/s); a larger `remux.buffer` "
              "takes larger bursts"},
    DropWords{"rate_exceeded",
              "packets beyond the constant rate, counted at each output: padding, then data, then media; "
              "tables and PCRs have room of their own",
              "`remux.bitrate` is too small for the stream: its peaks may be half a second long. Raise it, "
              "or lower the encoder's rate"},
    DropWords{"exception_queue_full", "IGMP, ARP or ICMP frames for the host",
              "More than 1,024 at once: a storm on that port. Reports may be late; find the sender"},
    DropWords{"multiplex_exceeded",
              "packets of members beyond their share of a full multiplex, counted at each of its outputs: "
              "padding, then data, then media; tables, keys and PCRs have room of their own",
              "The members together are more than the multiplex's `bitrate`: raise it, or lower the rate of "
              "the channel that the alarm names. The others lose nothing"},
};

// Of channels, by the bridge.
inline constexpr std::array kBridgeDropWords{
    DropWords{"damaged_pes", "PES packets with lost packets inside, transport errors, or a wrong header",
              "Losses on the way in: see `cc_errors`; in this node: `ring_full`"},
    DropWords{"scrambled_pes", "scrambled PES packets", "Take the service in the clear"},
    DropWords{"oversized_pes", "PES packets of more than 4 MiB",
              "Not media, or a lost start: look at the source"},
    DropWords{"untimed_pes", "PES packets before the first PCR",
              "Normal at a start. If it grows: the PMT names a PCR PID that does not come"},
    DropWords{"bad_timestamp_pes", "PES packets with time stamps 20 s or more off the PCR",
              "The source's multiplexer is at fault"},
    DropWords{"unreferenced_pes",
              "video PES packets between a loss in this node (the fast path began anew, `ring_full`) and the "
              "next random access point: browsers give up at pictures whose references are missing. After 3 "
              "s without one they pass",
              "As for the loss"},
    DropWords{"sound_not_sent",
              "PES packets of sound that the ring to the channel's transcode worker had no room for: it "
              "stands still, or is too slow. Also packets of 128 KiB and more",
              "`transcode_failing`; more cores where the machine is busy"},
    DropWords{"twin_late",
              "frames of AAC that came from the worker more than 5 s late (silence stands in their place), "
              "for RTMP "
              "more than 1 s, or from before a jump of the clock",
              "As above. A few at each jump are usual"},
    DropWords{"twin_unusable",
              "what came from the worker as a frame of AAC and is none, or has an impossible time",
              "Report it; the worker's log line names the stream"},
    DropWords{"look_skipped",
              "pictures that were to be looked at while eight others were, or whose result did not come "
              "within 10 s",
              "A longer `watch.every`, or more cores"},
    DropWords{"look_oversized", "random access points of more than 2 MiB: they are not looked at",
              "No sane stream: look at its bitrate"},
    DropWords{
        "ladder_not_sent",
        "PES packets of pictures that the ring to a derived rendition's worker had no room for: it stands "
        "still, or is too slow",
        "`transcode_failing`, `rendition_failing`; a smaller rendition, or more cores"},
    DropWords{
        "ladder_unusable",
        "frames of a derived rendition with an impossible time, beyond four times its bitrate, or between "
        "a loss and the next random access point",
        "As above. If it grows without `ladder_not_sent`: report it"},
    DropWords{"no_segment_open",
              "PES packets before the first segment, or between a break and the next segment",
              "Normal at a start and after a jump of the source's clock. If it grows: such jumps, "
              "`headgate_hls_discontinuities_total`"},
    DropWords{"segment_full", "PES packets beyond 10 MB for each second of `segment`",
              "No sane stream: look at its bitrate"},
    DropWords{"memory_full", "PES packets beyond the 1 GiB of all open segments",
              "Fewer HLS channels on this node, or a shorter `segment`"},
    DropWords{"segment_not_written", "finished segments that could not be written: they are gaps",
              "Room in `run_dir`"},
    DropWords{"slow_client", "players cut off that took nothing for 20 s",
              "The player's network. If it is many at once: this node's uplink"},
    DropWords{"http_ts_skipped",
              "packets that players of TS over HTTP lost because they did not keep up: more than 4 s or 8 "
              "MiB waited, and they jumped to the next random access point",
              "The player's network. One player: its own; many at once: this node's uplink"},
    DropWords{"srt_skipped",
              "packets that receivers of SRT lost because libsrt's buffer for them was full: they go on at "
              "the next random access point",
              "The receiver's network, or a latency too short for it"},
    DropWords{"rtmp_unusable",
              "frames that RTMP can't carry: before the parameters of their track or its first random access "
              "point, not whole, or longer than a message can be",
              "Normal at a start. If it grows: `headgate status CHANNEL` names the tracks that are left out; "
              "the encoder sends no parameter sets with its key frames, or none"},
    DropWords{"rtmp_skipped",
              "frames that slow RTMP players lost: 6 s behind, they were moved on to the latest key frame",
              "The player's network. One player: its own; many at once: this node's uplink"},
};

// Of the HTTP server.
inline constexpr std::array kHttpRefusalWords{
    DropWords{"connections",
              "503: more than 10,000 connections, or 1,000 from one address: put a CDN in front", ""},
    DropWords{"per_address",
              "503: more than 10,000 connections, or 1,000 from one address: put a CDN in front", ""},
    DropWords{"accept_error", "no descriptor left: raise `LimitNOFILE`", ""},
    DropWords{"header_timeout", "408: the request took too long to come; the other end is slow or gone", ""},
    DropWords{"idle_timeout", "closed: nothing was asked for too long", ""},
    DropWords{"slow_client", "cut off: an answer was not taken in time; the other end is slow or gone", ""},
    DropWords{"bad_request", "400: not a player; a scanner, most often", ""},
    DropWords{"method", "405: neither GET, HEAD nor OPTIONS; a scanner, most often", ""},
    DropWords{"body", "413: a request with a body; a scanner, most often", ""},
    DropWords{"address_too_long", "414: not a player; a scanner, most often", ""},
    DropWords{"header_too_long", "431: more than 8 KiB of header; a scanner, most often", ""},
    DropWords{"range", "416: a range outside of the file; a broken player or CDN, most often", ""},
    DropWords{"not_found",
              "404: unknown channel, or a segment that is no longer kept: a viewer too far behind, or a CDN "
              "that keeps playlists too long",
              ""},
    DropWords{"no_segment_yet", "503: no segment is finished; if it grows, see hls.md", ""},
    DropWords{
        "kicked",
        "`headgate kick` ended a stream.ts; or 403: a viewer of HLS that it ended asks on, for a minute", ""},
};

// Of the RTMP servers.
inline constexpr std::array kRtmpRefusalWords{
    DropWords{"connections", "more than 10,000 connections, or 1,000 from one address", ""},
    DropWords{"per_address", "more than 10,000 connections, or 1,000 from one address", ""},
    DropWords{"accept_error", "no descriptor left: raise `LimitNOFILE`", ""},
    DropWords{
        "not_rtmp",
        "not a player; a scanner, most often. `tls` also: a player that does not believe the certificate",
        ""},
    DropWords{
        "malformed",
        "not a player; a scanner, most often. `tls` also: a player that does not believe the certificate",
        ""},
    DropWords{
        "too_many_commands",
        "not a player; a scanner, most often. `tls` also: a player that does not believe the certificate",
        ""},
    DropWords{
        "tls",
        "not a player; a scanner, most often. `tls` also: a player that does not believe the certificate",
        ""},
    DropWords{"handshake_timeout", "the other end is slow or gone", ""},
    DropWords{"connect_timeout", "the other end is slow or gone", ""},
    DropWords{"play_timeout", "the other end is slow or gone", ""},
    DropWords{"slow_client", "the other end is slow or gone", ""},
    DropWords{"unknown_application", "a wrong address in a player, or somebody guessing", ""},
    DropWords{"unknown_channel", "a wrong address in a player, or somebody guessing", ""},
    DropWords{"too_many_guesses", "a wrong address in a player, or somebody guessing", ""},
    DropWords{"not_publishable",
              "an encoder that sends to a channel whose inputs in the map have no `publish`", ""},
    DropWords{"wrong_key",
              "an encoder with a wrong key: the stream key is `CHANNEL?key=SECRET`; or somebody guessing",
              ""},
    DropWords{"place_taken",
              "two encoders for one channel: the second is refused, or takes over where the first fell "
              "silent for 1 s",
              ""},
    DropWords{"replaced",
              "two encoders for one channel: the second is refused, or takes over where the first fell "
              "silent for 1 s",
              ""},
    DropWords{"silent_publisher", "an encoder that stands still or whose network is gone, cut off after 30 s",
              ""},
    DropWords{"kicked", "`headgate kick` ended a player or an encoder; `events` says who did it", ""},
};

// Of SRT: listeners, and inputs with a port of their own.
inline constexpr std::array kSrtRefusalWords{
    DropWords{"no_stream_id",
              "a player or encoder without the stream id that it needs, or with one of no known form", ""},
    DropWords{"bad_stream_id",
              "a player or encoder without the stream id that it needs, or with one of no known form", ""},
    DropWords{"mode", "a player or encoder without the stream id that it needs, or with one of no known form",
              ""},
    DropWords{"media_type",
              "a player or encoder without the stream id that it needs, or with one of no known form", ""},
    DropWords{"not_found", "a wrong name; `serve` of the channel lacks `srt`, or its inputs lack `publish`",
              ""},
    DropWords{"overload", "1,000 sessions are under way, the limit of a bridge, or 500 of one address", ""},
    DropWords{"wrong_key",
              "an encoder with a wrong key, or somebody guessing: ten in a minute from one address, then it "
              "is refused for the rest of the minute",
              ""},
    DropWords{"too_many_guesses",
              "an encoder with a wrong key, or somebody guessing: ten in a minute from one address, then it "
              "is refused for the rest of the minute",
              ""},
    DropWords{"conflict", "two encoders for one channel, or two callers for one port of an input", ""},
    DropWords{"silent_publisher", "an encoder that stands still, cut off after 30 s", ""},
    DropWords{"secret", "the passphrase is wrong or missing, or one is given where none is wanted", ""},
    DropWords{"kicked", "`headgate kick` ended a player or an encoder; `events` says who did it", ""},
};

// Of inputs through the bridge.
inline constexpr std::array kIngestDropWords{
    DropWords{"ring_full", "packets: the fast path took nothing for a while, or was away",
              "`events`: did it restart? Else more load than the node can take"},
    DropWords{"too_fast", "packets beyond what one input may bring: 200 Mb/s, and 16 MiB at once",
              "The source sends without a pace: a file instead of a live stream, an encoder gone wild. The "
              "other channels are kept from it"},
    DropWords{"out_of_sync", "bytes of a received stream that lie in no packet",
              "The sender sends something else between, or its packets are not of 188 bytes"},
    DropWords{"unusable_frame",
              "frames that are not whole, come without configuration, or have impossible times",
              "The encoder; its log, its version"},
    DropWords{"unreadable_frame",
              "messages of sound or picture over RTMP, or frames in them, that break their format",
              "The encoder's fault, or that of the server that is pulled: restart it, look for an update"},
    DropWords{"unconfigured_frame", "frames over RTMP that came before the parameters of their track",
              "A few at a start are normal. If it grows: the encoder sends no sequence header"},
    DropWords{"track_left_out",
              "frames of a track that a transport stream can't carry; of a channel, packets of a track of "
              "the input on air that the first input has none like",
              "`status` names track and reason: another codec in the encoder"},
    DropWords{"mux_full", "frames beyond what may wait for the other tracks",
              "A track of the encoder stands still or runs ahead of the others"},
    DropWords{"unattached", "bytes of a source after another one had taken its place",
              "Two encoders with one key"},
    DropWords{"foreign_bytes", "bytes of a file or a fetched stream that lie in no transport packet",
              "A damaged file; a server that sends something else between"},
    DropWords{"segment_missing", "HLS segments that the server did not give, or not whole, in four tries",
              "The server, or the way to it: the input's error says what it answered"},
    DropWords{"segment_late", "HLS segments that left the playlist before their turn",
              "The server or the line was too slow, or away; a longer playlist on the server helps"},
    DropWords{"segment_gap", "HLS segments that the playlist marks as missing",
              "The encoder before that server lost them"},
    DropWords{"srt_late", "packets of SRT that did not come in time, after all repetitions",
              "A longer `latency` at either end, four times the round trip at least (`rtt_ms` in the input's "
              "details); then the path"},
    DropWords{"srt_undecrypted", "packets of SRT that could not be decrypted",
              "The sender changed its passphrase without connecting anew"},
    DropWords{
        "srt_backlog",
        "transport packets of SRT that the bridge was too busy to take: more than 16 MiB of one input waited",
        "The bridge's core is full: fewer channels on this node"},
};

// Of pushes.
inline constexpr std::array kPushDropWords{
    DropWords{"push_skipped",
              "frames (RTMP) or packets (SRT) that the target did not take in time: it goes on at the next "
              "random access point",
              "The way to that target. All at once: this node's uplink"},
};

}  // namespace headgate::catalogue
