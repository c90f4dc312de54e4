// Both YAML files as plain values, after defaults are merged, units parsed and names resolved. The loader
// fills it, control compares two of it. Nothing here knows YAML. Threading: values; shared as
// std::shared_ptr<const Model>.
#pragma once

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

struct Input {
  std::uint32_t number = 1;
  std::string url;  // canonical and without secrets
  DatagramProtocol protocol = DatagramProtocol::udp;
  std::string interface;  // resolved: never empty
  std::uint16_t vlan = 0;
  std::string group;  // udp://:PORT gives the interface's (or VLAN's) own address
  std::string source;
  std::uint16_t port = 0;
  std::optional<Program> program;  // its own, else the channel's
  bool operator==(const Input&) const = default;
};

struct Push {
  std::string url;
  DatagramProtocol protocol = DatagramProtocol::udp;
  std::string interface;
  std::uint16_t vlan = 0;
  std::string group;
  std::uint16_t port = 0;
  std::uint8_t ttl = 16;
  std::uint8_t dscp = 0;
  bool enabled = true;
  bool operator==(const Push&) const = default;
};

struct HlsOptions {
  std::chrono::milliseconds segment{4000};
  std::uint32_t window = 8;
  bool operator==(const HlsOptions&) const = default;
};

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
  // What is served, and how.
  std::optional<HlsOptions> hls;
  bool http_ts = false;
  bool rtmp = false;
  std::optional<SrtOptions> srt;
  bool operator==(const Channel&) const = default;
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
  std::vector<SrtServer> srt;
  std::optional<AdminServer> admin;
  bool operator==(const Node&) const = default;
};

struct Model {
  Node node;
  std::vector<Channel> channels;  // in the order of the files
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

}  // namespace headgate::config
