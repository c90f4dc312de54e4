// Both files as read, before names are resolved across them: values with their places.
// Threading: values.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "config/load/field.h"
#include "config/model/model.h"

namespace headgate::config {

// What the fast path's statistics page has room for (control/protocol/stats_page.h).
inline constexpr std::size_t kMaxChannels = 2000;

struct InterfaceDraft {
  Interface interface;
  Place place;
  Located<std::string> device;
  std::vector<Located<std::string>> addresses;  // its own and those of its VLANs
  Place mtu_place;
};

struct HttpDraft {
  Located<std::string> listen;
};

struct RtmpDraft {
  Located<std::string> listen;
};

// A file named in the map, and what it holds.
struct SecretDraft {
  Located<std::string> file;
  std::string path;  // absolute
  std::string text;
};

struct SrtDraft {
  Located<std::string> listen;
  std::chrono::milliseconds latency{120};
  SecretDraft passphrase;
};

struct AdminDraft {
  Located<std::string> listen;
  Located<std::string> tokens_file;
};

struct NodeDraft {
  Node node;
  std::vector<InterfaceDraft> interfaces;
  std::vector<Located<std::uint32_t>> cores;
  std::vector<HttpDraft> http;
  std::vector<RtmpDraft> rtmp;
  std::vector<SrtDraft> srt;
  std::optional<AdminDraft> admin;
  std::vector<Located<std::string>> channel_files;
  Place place;
};

// An input or a push: its URL and options.
struct EndDraft {
  Place place;
  DatagramProtocol protocol = DatagramProtocol::udp;
  std::optional<std::uint32_t> source;
  std::optional<std::uint32_t> group;  // none: udp://:PORT
  std::uint16_t port = 0;
  Located<std::string> interface;
  Located<std::uint16_t> vlan;
  std::optional<Program> program;
  std::uint8_t ttl = 16;
  std::uint8_t dscp = 0;
  bool enabled = true;
};

struct HlsDraft {
  HlsOptions options;
  Place place;
};

// A protocol that has no options.
struct PlainServeDraft {
  Place place;
};

struct SrtServeDraft {
  Place place;
  SecretDraft passphrase;
};

struct ServeDraft {
  std::optional<HlsDraft> hls;
  std::optional<PlainServeDraft> rtmp;
  std::optional<SrtServeDraft> srt;
  std::optional<PlainServeDraft> http_ts;
};

struct ChannelDraft {
  std::string id;
  Place place;
  Located<std::string> name;
  Located<std::uint32_t> number;
  std::vector<std::string> tags;
  bool enabled = true;
  std::optional<Program> program;
  std::vector<EndDraft> inputs;
  std::vector<EndDraft> push;
  ServeDraft serve;
};

const Table<NodeDraft>& node_table();
const Table<ChannelDraft>& channel_table();
const Table<EndDraft>& input_table();
const Table<EndDraft>& push_table();

const TableBase& channel_file_table();

// Reads one file of channels. Appends to channels.
void read_channels(Report& report, const Value& file, std::vector<ChannelDraft>& channels);

Parsed<Program> parse_channel_program(const Value& value);
const char* program_schema();

// An input or push from its URL (with options in the query) or map.
void read_end(Report& report, const Value& value, const Table<EndDraft>& table, EndDraft& out);
void read_url(Report& report, const Value& value, bool input, EndDraft& out);

// Names to interfaces, and the checks across both files.
void resolve(Report& report, const NodeDraft& node, const std::vector<ChannelDraft>& channels, Model& model);

}  // namespace headgate::config
