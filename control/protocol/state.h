// Desired state of the fast path and the bridge: what control writes to run_dir/state/*.json and each process
// loads at start and on the message "apply". JSON with snake_case names equal to the members; `version` is
// refused when unknown. Threading: values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <tl/expected.hpp>

namespace headgate::protocol {

inline constexpr int kStateVersion = 2;

enum class DatagramProtocol { udp, rtp };
enum class IgmpMode { automatic, v1, v2, v3 };
enum class HugepageMode { automatic, required, never };
enum class IdleMode { adaptive, poll };

// A service by number or by name.
using Program = std::variant<std::uint16_t, std::string>;

struct VlanState {
  std::uint16_t id = 0;
  std::vector<std::string> addresses;  // "10.21.0.5/24"
  bool operator==(const VlanState&) const = default;
};

struct InterfaceState {
  std::string name;
  std::string device;  // as in the node file
  std::uint16_t mtu = 1500;
  IgmpMode igmp = IgmpMode::automatic;
  std::vector<std::string> addresses;
  std::vector<VlanState> vlans;
  bool operator==(const InterfaceState&) const = default;
};

// How an input's packets reach the fast path.
enum class InputWay {
  datagrams,  // multicast or unicast on an interface: the members from `protocol` on say where
  bridge,     // through the ring of the bridge; the members from `protocol` on mean nothing
};

struct InputState {
  std::uint32_t number = 1;  // 1 = primary
  std::string url;           // as in the map, without secrets; labels and status show it
  InputWay way = InputWay::datagrams;
  std::optional<Program> program;  // its own, else the channel's; filled in by control
  std::uint32_t buffer_ms = 0;     // between arrival and departure, paced by the stream's own clock; 0: none
  DatagramProtocol protocol = DatagramProtocol::udp;
  std::string interface;
  std::uint16_t vlan = 0;  // 0: untagged
  std::string group;       // dotted quad; a group, or the interface's own address for unicast
  std::string source;      // "" = any
  std::uint16_t port = 0;
  bool operator==(const InputState&) const = default;
};

struct OutputState {
  std::string url;
  DatagramProtocol protocol = DatagramProtocol::udp;
  std::string interface;
  std::uint16_t vlan = 0;
  std::string group;
  std::uint16_t port = 0;
  std::uint8_t ttl = 16;
  std::uint8_t dscp = 0;
  bool operator==(const OutputState&) const = default;
};

// What makes an input unfit, as `failover.when` names it.
enum class Trouble : std::uint8_t {
  no_data,
  sync,
  cc,
  pat,
  pmt,
  pcr,
  pid,
  scrambled,
  bitrate,
  // Seen and heard by the bridge (control/protocol/watch_page.h).
  frozen,
  black,
  silence,
};
inline constexpr std::size_t kTroubles = 12;

// Without the map's word.
inline constexpr std::array kUsualTroubles{Trouble::no_data, Trouble::sync, Trouble::pat,
                                           Trouble::pmt,     Trouble::pcr,  Trouble::scrambled};

// When a channel with several inputs goes to another one.
struct FailoverState {
  std::uint32_t after_ms = 2000;
  std::uint32_t hold_ms = 10'000;  // a preferred input must be good for so long
  bool back = true;                // by itself to the preferred input
  std::vector<Trouble> when{kUsualTroubles.begin(), kUsualTroubles.end()};
  bool operator==(const FailoverState&) const = default;
};

// What becomes of conditional access (mpegts/remux/remux_options.h).
enum class CaHandling { ecm, keep, drop };

// A track by its PID, or by its role where that is not "".
struct PidRule {
  std::string role;
  std::uint16_t pid = 0;
  std::uint16_t to = 0;  // 0: it is left out
  bool operator==(const PidRule&) const = default;
};

// What the map makes of a channel's service.
struct RemuxState {
  std::uint16_t service_id = 0;  // 0: the source's
  CaHandling ca = CaHandling::ecm;
  std::vector<PidRule> pids;
  // "": the source's
  std::string provider;
  std::string name;
  bool operator==(const RemuxState&) const = default;
};

struct FastpathChannel {
  std::string id;
  std::uint32_t handle = 0;  // never reused in the life of run_dir
  bool to_bridge = false;
  FailoverState failover;
  std::uint32_t forced_input = 0;  // `headgate switch`: this number, whatever its state; 0: automatic
  std::uint64_t bitrate_bps = 0;   // constant, null-stuffed; 0: as it comes
  std::vector<InputState> inputs;
  std::vector<OutputState> outputs;
  // frozen, black or silence is in failover.when: an input that was left for it goes to the bridge although
  // it stands by, its slots marked with its number.
  bool watch_standby = false;
  // A single service leaves, made by this: of an input without `program` the one with the lowest number.
  std::optional<RemuxState> remux;
  bool operator==(const FastpathChannel&) const = default;
};

// A channel in a multiplex.
struct MultiplexMemberState {
  std::string channel;
  std::uint16_t service_id = 0;
  std::uint32_t pid_block = 0;  // its row of PIDs (mpegts/mux/pid_block.h)
  std::string name;             // "": as its source has it
  std::string provider;         // ""
  std::uint16_t number = 0;     // logical channel; 0: none
  std::uint64_t share_bps = 0;  // its part of the rate; 0: an equal part of what is left
  bool operator==(const MultiplexMemberState&) const = default;
};

// Several channels in one stream of constant rate.
struct FastpathMultiplex {
  std::string id;
  std::uint16_t transport_stream_id = 0;
  std::uint16_t network_id = 0;
  std::uint16_t original_network_id = 0;
  std::uint64_t bitrate_bps = 0;
  bool lcn = false;  // logical channel numbers in its NIT
  std::vector<MultiplexMemberState> members;
  std::vector<OutputState> outputs;
  bool operator==(const FastpathMultiplex&) const = default;
};

struct FastpathState {
  std::uint64_t generation = 0;
  std::string node;
  HugepageMode hugepages = HugepageMode::automatic;
  IdleMode idle = IdleMode::adaptive;
  std::vector<std::uint32_t> cores;
  std::string log_level = "info";
  std::string log_format = "text";
  std::vector<InterfaceState> interfaces;
  std::vector<FastpathChannel> channels;
  std::vector<FastpathMultiplex> multiplexes;
  bool operator==(const FastpathState&) const = default;
};

struct HlsState {
  std::uint32_t segment_ms = 4000;
  std::uint32_t window = 8;
  bool operator==(const HlsState&) const = default;
};

// Secrets stand here as their files hold them: nobody but control and the bridge may read the state file.
struct SrtServeState {
  std::string passphrase;  // "": the listener's own, or none
  bool operator==(const SrtServeState&) const = default;
};

struct SrtServerState {
  std::string listen;  // "[::]:9000"
  std::uint32_t latency_ms = 120;
  std::string passphrase;  // for streams that have none of their own; "": none
  bool operator==(const SrtServerState&) const = default;
};

// Where the bridge gets an input from.
enum class SourceKind {
  publish,       // an encoder comes to our RTMP or SRT server
  srt_caller,    // we call
  srt_listener,  // we listen on a port of its own
  rtmp,          // rtmp://, rtmps://: we play
  http_ts,
  hls,
  file,
};

struct BridgeInput {
  std::uint32_t number = 1;
  std::string url;  // without secrets; labels and status show it
  SourceKind kind = SourceKind::publish;
  std::string address;             // to connect to, to listen on, or the file's path; may hold secrets
  std::string key;                 // publish: what the encoder must give, "": none
  std::string passphrase;          // srt
  std::string stream_id;           // srt_caller
  std::uint32_t latency_ms = 120;  // srt
  std::uint32_t grace_ms = 5000;   // publish: a vanished publisher's place and timeline are kept so long
  bool operator==(const BridgeInput&) const = default;
};

enum class PushKind { rtmp, srt };

struct BridgePush {
  std::string url;  // without secrets; labels and status show it
  PushKind kind = PushKind::rtmp;
  std::string address;             // rtmp://, rtmps:// without the stream name; HOST:PORT of srt
  std::string stream;              // rtmp: stream name, a secret
  std::string passphrase;          // srt
  std::string stream_id;           // srt
  std::uint32_t latency_ms = 120;  // srt
  bool operator==(const BridgePush&) const = default;
};

// When AAC is made beside a channel's own sound.
enum class AudioTranscode {
  automatic,  // MP2, AC-3, E-AC-3, LATM, DTS: where an output needs it
  never,
  always,  // beside all that is not AAC-LC at 48 kHz
};

// What is looked at and listened to in a channel, and from when on it is a trouble. 0 ms: never.
struct WatchState {
  bool pictures = true;
  bool sound = true;
  std::uint32_t every_ms = 5000;  // a picture, and the thumbnail
  std::uint32_t black_ms = 3000;
  std::uint32_t frozen_ms = 3500;   // a picture that stopped within a shot
  std::uint32_t still_ms = 60'000;  // one that a cut led to
  std::uint32_t silence_ms = 3000;
  std::uint32_t clipping_ms = 10'000;
  std::uint32_t phase_ms = 10'000;  // left and right against each other
  std::uint32_t loudness_ms = 30'000;
  // Short-term loudness outside of it for loudness_ms, tenths of LUFS.
  std::int32_t loudness_min = -400;
  std::int32_t loudness_max = -80;
  bool operator==(const WatchState&) const = default;
};

struct BridgeChannel {
  std::string id;
  std::uint32_t handle = 0;
  std::string name;
  std::optional<Program> program;  // already cut by the fast path where set; for status only
  std::optional<HlsState> hls;
  bool http_ts = false;
  bool rtmp = false;
  std::optional<SrtServeState> srt;
  std::vector<BridgeInput> inputs;  // those that enter here
  std::vector<BridgePush> pushes;   // those that leave here, enabled ones only
  AudioTranscode transcode = AudioTranscode::automatic;
  WatchState watch;
  // Of the service that is made out of what RTMP brings.
  std::uint16_t service_id = 1;
  std::string provider;
  bool operator==(const BridgeChannel&) const = default;
};

// RTMP over TLS. The certificate chain and its key as PEM, read by control.
struct RtmpsServerState {
  std::string listen;
  std::string certificate;
  std::string key;
  bool operator==(const RtmpsServerState&) const = default;
};

// One programme at several bitrates: a playlist over the members' own.
struct RenditionMember {
  std::string channel;       // as it is; or the one whose pictures are made smaller
  bool derived = false;      // the members below say into what
  std::uint32_t handle = 0;  // of the derived stream, never reused in the life of run_dir
  std::uint32_t width = 0;   // 0: by the source's display aspect ratio
  std::uint32_t height = 0;
  std::uint32_t bitrate_bps = 0;
  bool operator==(const RenditionMember&) const = default;
};

struct RenditionState {
  std::string id;
  std::vector<RenditionMember> members;  // best first
  bool operator==(const RenditionState&) const = default;
};

struct BridgeState {
  std::uint64_t generation = 0;
  std::string node;
  std::string log_level = "info";
  std::string log_format = "text";
  std::vector<std::string> http_listen;  // "[::]:8080"
  std::vector<std::string> rtmp_listen;  // "[::]:1935"
  std::vector<RtmpsServerState> rtmps_servers;
  std::vector<SrtServerState> srt_servers;
  std::vector<BridgeChannel> channels;
  std::vector<RenditionState> renditions;
  bool operator==(const BridgeState&) const = default;
};

// What the transcode process does stands in the job folders that the bridge makes.
struct TranscodeState {
  std::uint64_t generation = 0;
  std::string log_level = "info";
  std::string log_format = "text";
  bool operator==(const TranscodeState&) const = default;
};

std::string to_json(const FastpathState& state);
std::string to_json(const BridgeState& state);
std::string to_json(const TranscodeState& state);
// Errors name the member.
tl::expected<FastpathState, std::string> parse_fastpath_state(const std::string& json);
tl::expected<BridgeState, std::string> parse_bridge_state(const std::string& json);
tl::expected<TranscodeState, std::string> parse_transcode_state(const std::string& json);

// Whole file, written to a temporary beside it, fsynced and renamed. One with secrets in it is readable from
// its first byte by the owner alone, and by the bridge where that is another user: by the group of the
// folder.
enum class Readers { group, bridge };
tl::expected<void, std::string> write_file_atomically(const std::string& path, const std::string& content,
                                                      Readers readers = Readers::group);
// A whole file; an error where it is longer than kMaxFile. Never waits, whatever stands in that place.
inline constexpr std::size_t kMaxFile = 64 * 1024 * 1024;
tl::expected<std::string, std::string> read_file(const std::string& path);

}  // namespace headgate::protocol
