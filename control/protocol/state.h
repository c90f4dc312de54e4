// Desired state of the fast path and the bridge: what control writes to run_dir/state/*.json and each process
// loads at start and on the message "apply". JSON with snake_case names equal to the members; `version` is
// refused when unknown. Threading: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <tl/expected.hpp>

namespace headgate::protocol {

inline constexpr int kStateVersion = 1;

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

struct InputState {
  std::uint32_t number = 1;  // 1 = primary
  std::string url;           // as in the map, without secrets; labels and status show it
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

struct FastpathChannel {
  std::string id;
  std::uint32_t handle = 0;  // never reused in the life of run_dir
  std::optional<Program> program;
  bool to_bridge = false;
  std::vector<InputState> inputs;
  std::vector<OutputState> outputs;
  bool operator==(const FastpathChannel&) const = default;
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

struct BridgeChannel {
  std::string id;
  std::uint32_t handle = 0;
  std::string name;
  std::optional<Program> program;  // already cut by the fast path where set; for status only
  std::optional<HlsState> hls;
  bool http_ts = false;
  bool rtmp = false;
  std::optional<SrtServeState> srt;
  bool operator==(const BridgeChannel&) const = default;
};

struct BridgeState {
  std::uint64_t generation = 0;
  std::string node;
  std::string log_level = "info";
  std::string log_format = "text";
  std::vector<std::string> http_listen;  // "[::]:8080"
  std::vector<std::string> rtmp_listen;  // "[::]:1935"
  std::vector<SrtServerState> srt_servers;
  std::vector<BridgeChannel> channels;
  bool operator==(const BridgeState&) const = default;
};

std::string to_json(const FastpathState& state);
std::string to_json(const BridgeState& state);
// Errors name the member.
tl::expected<FastpathState, std::string> parse_fastpath_state(const std::string& json);
tl::expected<BridgeState, std::string> parse_bridge_state(const std::string& json);

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
