// Both YAML files as plain values, after defaults are merged, units parsed and names resolved. The loader
// fills it, control compares two of it. Nothing here knows YAML. Threading: values; shared as
// std::shared_ptr<const Model>.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace headgate::config {

enum class LogLevel { trace, debug, info, warning, error };
enum class LogFormat { text, json };
enum class Igmp { automatic, v1, v2, v3 };
enum class Hugepages { automatic, required, never };
enum class Idle { adaptive, poll };
enum class DatagramProtocol { udp, rtp };

struct Vlan {
  std::uint16_t id = 0;
  std::vector<std::string> addresses;  // "10.21.0.5/24"
  bool operator==(const Vlan&) const = default;
};

struct Interface {
  std::string name;
  std::string device;
  std::vector<std::string> addresses;
  bool is_default = false;
  std::uint16_t mtu = 1500;
  Igmp igmp = Igmp::automatic;
  std::vector<Vlan> vlans;
  bool operator==(const Interface&) const = default;
};

struct Fastpath {
  std::uint32_t workers = 1;
  std::vector<std::uint32_t> cores;
  Hugepages hugepages = Hugepages::automatic;
  Idle idle = Idle::adaptive;
  bool operator==(const Fastpath&) const = default;
};

struct HttpServer {
  std::string listen;
  bool operator==(const HttpServer&) const = default;
};

struct RtmpServer {
  std::string listen;
  bool operator==(const RtmpServer&) const = default;
};

// RTMP over TLS. Both files hold PEM.
struct RtmpsServer {
  std::string listen;
  std::string certificate_file;  // absolute
  std::string key_file;          // absolute
  std::string certificate;       // read from them; "": it can't be read any more
  std::string key;
  bool operator==(const RtmpsServer&) const = default;
};

struct SrtServer {
  std::string listen;
  std::chrono::milliseconds latency{120};
  std::string passphrase_file;  // absolute; "": none
  std::string passphrase;       // read from it; "" beside a file: it can't be read any more
  bool operator==(const SrtServer&) const = default;
};

struct AdminToken {
  std::string role;
  std::string token;
  bool operator==(const AdminToken&) const = default;
};

struct AdminServer {
  std::string listen;
  std::string tokens_file;         // as written
  std::vector<AdminToken> tokens;  // read from it
  bool operator==(const AdminServer&) const = default;
};

using Program = std::variant<std::uint16_t, std::string>;  // program_number or service name

// Where a channel comes from. All but datagrams enter through the bridge.
enum class InputKind {
  datagrams,     // udp://, rtp://
  publish,       // an encoder comes to our RTMP or SRT server
  srt_caller,    // srt://HOST:PORT
  srt_listener,  // srt://:PORT
  rtmp,          // rtmp://, rtmps://
  http_ts,       // http(s)://…
  hls,           // http(s)://….m3u8
  file,          // file://…, looped
};

struct Input {
  std::uint32_t number = 1;
  std::string url;  // canonical and without secrets; "publish"
  InputKind kind = InputKind::datagrams;
  std::optional<Program> program;  // its own, else the channel's
  // datagrams
  DatagramProtocol protocol = DatagramProtocol::udp;
  std::string interface;  // resolved: never empty
  std::uint16_t vlan = 0;
  std::string group;  // udp://:PORT gives the interface's (or VLAN's) own address
  std::string source;
  std::uint16_t port = 0;
  // all others
  std::string
      address;  // HOST:PORT to call or to listen on, the whole URL, or the file's path; may hold secrets
  std::string stream_id;                   // srt_caller
  std::chrono::milliseconds latency{120};  // srt
  std::string passphrase_file;             // srt; absolute; "": none
  std::string passphrase;                  // read from it; "" beside a file: it can't be read any more
  std::string key_file;                    // publish; absolute; "": anybody may publish
  std::string key;                         // read from it; "" beside a file: it can't be read any more
  std::chrono::milliseconds grace{5000};   // publish
  bool operator==(const Input&) const = default;
};

enum class PushKind { datagrams, rtmp, srt };

struct Push {
  std::string url;
  PushKind kind = PushKind::datagrams;
  bool enabled = true;
  // datagrams
  DatagramProtocol protocol = DatagramProtocol::udp;
  std::string interface;
  std::uint16_t vlan = 0;
  std::string group;
  std::uint16_t port = 0;
  std::uint8_t ttl = 16;
  std::uint8_t dscp = 0;
  // rtmp, srt
  std::string address;                     // rtmp://HOST/APP without the stream name; HOST:PORT of srt
  std::string stream;                      // rtmp: the stream name, out of the URL or the key file
  std::string key_file;                    // rtmp; absolute; "": the URL has the stream name
  std::string stream_id;                   // srt
  std::chrono::milliseconds latency{120};  // srt
  std::string passphrase_file;             // srt; absolute; "": none
  std::string passphrase;                  // read from it; "" beside a file: it can't be read any more
  bool operator==(const Push&) const = default;
};

// What `failover.when` may name, in the order of protocol::Trouble.
enum class Trouble { no_data, sync, cc, pat, pmt, pcr, pid, scrambled, bitrate, frozen, black, silence };
inline constexpr std::array<const char*, 12> kTroubleNames{"no_data", "sync",   "cc",    "pat",
                                                           "pmt",     "pcr",    "pid",   "scrambled",
                                                           "bitrate", "frozen", "black", "silence"};

struct Failover {
  std::chrono::milliseconds after{2000};
  bool back = true;  // by itself to the preferred input
  std::chrono::milliseconds hold{10'000};
  std::vector<Trouble> when{Trouble::no_data, Trouble::sync, Trouble::pat,
                            Trouble::pmt,     Trouble::pcr,  Trouble::scrambled};
  bool operator==(const Failover&) const = default;
};

// What becomes of conditional access, ISO/IEC 13818-1 2.6.16.
enum class CaHandling { ecm, keep, drop };
inline constexpr std::array<const char*, 3> kCaNames{"ecm", "keep", "drop"};

// A line of `remux.pids`: a track by its PID, or by its role where that is not "".
struct PidRule {
  std::string role;
  std::uint16_t pid = 0;
  std::optional<std::uint16_t> to;  // none: it is left out
  bool operator==(const PidRule&) const = default;
};

struct Remux {
  std::uint64_t bitrate = 0;  // bit/s, constant, null-stuffed; 0: as it comes
  std::optional<std::chrono::milliseconds> buffer;
  std::optional<std::uint16_t> service_id;
  std::string provider;
  std::optional<CaHandling> ca;
  std::vector<PidRule> pids;
  bool operator==(const Remux&) const = default;
};

struct HlsOptions {
  std::chrono::milliseconds segment{4000};
  std::uint32_t window = 8;
  bool operator==(const HlsOptions&) const = default;
};

// When AAC is made beside a channel's own sound.
enum class AudioTranscode { automatic, never, always };

struct Audio {
  AudioTranscode transcode = AudioTranscode::automatic;
  bool operator==(const Audio&) const = default;
};

// Whether somebody looks or listens. automatic: where the channel passes the bridge anyway.
enum class Watching { automatic, never, always };

struct Watch {
  std::chrono::milliseconds every{5000};  // a picture, and the thumbnail
  Watching pictures = Watching::automatic;
  Watching sound = Watching::automatic;
  bool operator==(const Watch&) const = default;
};

// Short-term loudness (EBU R128), tenths of LUFS.
struct LoudnessRange {
  std::int32_t min = -400;
  std::int32_t max = -80;
  bool operator==(const LoudnessRange&) const = default;
};

// So many within such a time. 0: never.
struct ErrorRate {
  std::uint64_t count = 0;
  std::chrono::milliseconds per{60'000};
  bool operator==(const ErrorRate&) const = default;
};

// bit/s
struct RateRange {
  std::uint64_t min = 0;
  std::uint64_t max = 0;
  bool operator==(const RateRange&) const = default;
};

// From when on something is an alarm. 0: never.
struct Alarms {
  std::chrono::milliseconds black{3000};
  std::chrono::milliseconds frozen{3500};   // a picture that stopped within a shot
  std::chrono::milliseconds still{60'000};  // one that a cut led to
  std::chrono::milliseconds silence{3000};
  std::chrono::milliseconds clipping{10'000};
  std::chrono::milliseconds phase{10'000};
  std::optional<LoudnessRange> loudness = LoudnessRange{};  // none: never
  std::chrono::milliseconds loudness_after{30'000};
  std::optional<ErrorRate> cc_errors;  // none: an alarm from kUsualCcErrors on, degraded by each
  std::optional<RateRange> bitrate;    // none: never
  bool operator==(const Alarms&) const = default;
};

inline constexpr ErrorRate kUsualCcErrors{10, std::chrono::minutes(1)};

struct SrtOptions {
  std::string passphrase_file;  // absolute; "": the server's passphrase, or none
  std::string passphrase;       // read from it; "" beside a file: it can't be read any more
  bool operator==(const SrtOptions&) const = default;
};

struct Channel {
  std::string id;
  std::string name;  // the id where the map gives none
  std::optional<std::uint32_t> number;
  std::vector<std::string> tags;
  bool enabled = true;
  std::vector<Input> inputs;
  std::vector<Push> push;
  Failover failover;
  Remux remux;
  Audio audio;
  Watch watch;
  Alarms alarms;
  // What is served, and how.
  std::optional<HlsOptions> hls;
  bool http_ts = false;
  bool rtmp = false;
  std::optional<SrtOptions> srt;
  bool operator==(const Channel&) const = default;
};

// A channel as it is, or made smaller.
struct RenditionMember {
  std::string channel;
  bool derived = false;     // the members below say into what
  std::uint32_t width = 0;  // 0: by the source's display aspect ratio
  std::uint32_t height = 0;
  std::uint64_t bitrate = 0;  // bit/s
  bool operator==(const RenditionMember&) const = default;
};

// One programme at several bitrates.
struct Rendition {
  std::string id;
  std::vector<RenditionMember> members;  // best first
  bool operator==(const Rendition&) const = default;
};

// Where alarms are sent to.
struct Webhook {
  std::string url;
  std::string secret_file;  // absolute; "": what is sent is not signed
  std::string secret;       // read from it; "" beside a file: it can't be read any more
  bool operator==(const Webhook&) const = default;
};

// "https://noc.example.net:8443" of a URL: what follows may be a secret.
inline std::string origin_of(const std::string& url) {
  const auto host = url.find("://");
  return host == std::string::npos ? "" : url.substr(0, url.find_first_of("/?#", host + 3));
}

// Several channels in one multi-program stream.
struct Multiplex {
  std::string id;
  std::uint16_t transport_stream_id = 0;
  std::uint16_t network_id = 0;
  std::uint16_t original_network_id = 0;
  std::uint64_t bitrate = 0;  // bit/s
  bool lcn = false;           // logical channel numbers from the channels' own
  std::vector<std::string> channels;
  std::vector<Push> push;  // datagrams
  bool operator==(const Multiplex&) const = default;
};

struct Node {
  std::string node;
  std::string run_dir;
  std::string data_dir;
  LogLevel log_level = LogLevel::info;
  LogFormat log_format = LogFormat::text;
  std::vector<Interface> interfaces;
  Fastpath fastpath;
  std::vector<HttpServer> http;
  std::vector<RtmpServer> rtmp;
  std::vector<RtmpsServer> rtmps;
  std::vector<SrtServer> srt;
  std::optional<AdminServer> admin;
  std::optional<Webhook> webhook;
  bool operator==(const Node&) const = default;
};

struct Model {
  Node node;
  std::vector<Channel> channels;  // in the order of the files
  std::vector<Rendition> renditions;
  std::vector<Multiplex> multiplexes;
  bool operator==(const Model&) const = default;
};

// The protocols by which a channel is served, as `serve` names them.
inline std::vector<std::string> served(const Channel& channel) {
  std::vector<std::string> out;
  if (channel.hls) out.emplace_back("hls");
  if (channel.http_ts) out.emplace_back("http-ts");
  if (channel.rtmp) out.emplace_back("rtmp");
  if (channel.srt) out.emplace_back("srt");
  return out;
}

inline bool by_bridge(const Input& input) { return input.kind != InputKind::datagrams; }
inline bool by_bridge(const Push& push) { return push.kind != PushKind::datagrams; }

// Players and pushes that the bridge feeds, and inputs that enter there.
bool leaves_by_bridge(const Channel& channel);
bool passes_bridge(const Channel& channel);
// A single service leaves, as `remux` makes it: of a stream of several, the program's or the lowest. What
// RTMP brings is made by the map's word from the start.
bool rewrites_service(const Channel& channel);
// What its service is called in the stream; "": as the source says.
std::string stream_name(const Channel& channel);
// With several inputs, frozen and black in failover.when ask for pictures, silence for sound.
bool fails_over_for(const Channel& channel, Trouble trouble);
bool watches_pictures(const Channel& channel);
bool watches_sound(const Channel& channel);

// What a constant rate needs at least, to even out what comes.
inline constexpr std::chrono::milliseconds kConstantRateBuffer{200};

// Between arrival and departure of an input.
std::chrono::milliseconds buffer_of(const Channel& channel, const Input& input);

// A file that a map names and whose secret is gone: what it opens stays closed, never open to all.
inline bool locked_out(const std::string& file, const std::string& secret) {
  return !file.empty() && secret.empty();
}
inline bool closed(const Input& input) {
  return locked_out(input.passphrase_file, input.passphrase) || locked_out(input.key_file, input.key);
}
inline bool closed(const Push& push) {
  return locked_out(push.passphrase_file, push.passphrase) || locked_out(push.key_file, push.stream);
}
inline bool closed(const Webhook& webhook) { return locked_out(webhook.secret_file, webhook.secret); }
inline bool closed(const RtmpsServer& server) { return server.certificate.empty() || server.key.empty(); }

}  // namespace headgate::config
