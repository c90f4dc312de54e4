// Both files as read, before names are resolved across them: values with their places.
// Threading: values.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/load/field.h"
#include "config/model/model.h"

namespace headgate::config {

// What the fast path's statistics page has room for (control/protocol/stats_page.h).
inline constexpr std::size_t kMaxChannels = 2000;
inline constexpr std::size_t kMaxInputs = 8;  // of a channel
inline constexpr std::size_t kMaxRenditions = 256;
inline constexpr std::size_t kMinRenditionMembers = 2;
inline constexpr std::size_t kMaxRenditionMembers = 8;
inline constexpr std::size_t kMaxMultiplexes = 64;
inline constexpr std::size_t kMaxMultiplexMembers = 61;  // rows of PIDs, mpegts/mux/pid_block.h

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

struct RtmpsDraft {
  Located<std::string> listen;
  SecretDraft certificate;
  SecretDraft key;
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

struct WebhookDraft {
  Located<std::string> url;
  SecretDraft secret;
};

struct NodeDraft {
  Node node;
  std::vector<InterfaceDraft> interfaces;
  std::vector<Located<std::uint32_t>> cores;
  std::vector<HttpDraft> http;
  std::vector<RtmpDraft> rtmp;
  std::vector<RtmpsDraft> rtmps;
  std::vector<SrtDraft> srt;
  std::optional<AdminDraft> admin;
  std::optional<WebhookDraft> webhook;
  std::vector<Located<std::string>> channel_files;
  Place place;
};

struct PublishDraft {
  SecretDraft key;
  std::chrono::milliseconds grace{5000};
};

// An input or a push: its URL and options.
struct EndDraft {
  Place place;
  std::string scheme;                     // "" of publish
  InputKind kind = InputKind::datagrams;  // of a push: datagrams, rtmp or srt_caller
  std::optional<Program> program;
  bool enabled = true;
  // udp, rtp
  DatagramProtocol protocol = DatagramProtocol::udp;
  std::optional<std::uint32_t> source;
  std::optional<std::uint32_t> group;  // none: udp://:PORT
  std::uint16_t port = 0;
  Located<std::string> interface;
  Located<std::uint16_t> vlan;
  std::uint8_t ttl = 16;
  std::uint8_t dscp = 0;
  // all others; both empty where the URL was refused
  std::string url;      // without secrets
  std::string address;  // as in model.h
  std::string stream;   // of an rtmp push, out of the URL
  Located<std::string> stream_id;
  Located<std::string> mode;
  std::chrono::milliseconds latency{120};
  SecretDraft passphrase;
  SecretDraft key;  // of an rtmp push
  PublishDraft publish;
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

struct FailoverDraft {
  Failover failover;
  std::vector<Place> when;  // of each trouble
};

struct AudioDraft {
  Audio audio;
};

struct WatchDraft {
  Watch watch;
};

struct AlarmsDraft {
  Alarms alarms;
};

struct PidRuleDraft {
  PidRule rule;
  Place place;
  Place to;
};

struct RemuxDraft {
  Located<std::uint64_t> bitrate;
  Located<std::chrono::milliseconds> buffer;
  Located<std::uint16_t> service_id;
  Located<std::string> provider;
  std::optional<CaHandling> ca;
  std::vector<PidRuleDraft> pids;
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
  FailoverDraft failover;
  RemuxDraft remux;
  AudioDraft audio;
  WatchDraft watch;
  AlarmsDraft alarms;
  ServeDraft serve;
};

// What becomes of the pictures of a derived member.
struct VideoDraft {
  Located<std::uint32_t> width;
  Located<std::uint32_t> height;
  std::uint64_t bitrate = 0;
};

struct RenditionMemberDraft {
  Place place;
  Located<std::string> channel;  // not set where it could not be read
  bool derived = false;
  VideoDraft video;
};

struct RenditionDraft {
  std::string id;
  Place place;
  std::vector<RenditionMemberDraft> members;
};

struct MultiplexDraft {
  std::string id;
  Place place;
  std::uint16_t transport_stream_id = 0;
  std::uint16_t network_id = 0;
  std::uint16_t original_network_id = 0;
  std::uint64_t bitrate = 0;
  bool lcn = false;
  std::vector<Located<std::string>> channels;
  std::vector<EndDraft> push;
};

// What the files of channels hold.
struct MapDraft {
  std::vector<ChannelDraft> channels;
  std::vector<RenditionDraft> renditions;
  std::vector<MultiplexDraft> multiplexes;
};

const Table<NodeDraft>& node_table();
const Table<ChannelDraft>& channel_table();
const Table<AudioDraft>& audio_table();
const Table<WatchDraft>& watch_table();
const Table<AlarmsDraft>& alarms_table();
const Table<RemuxDraft>& remux_table();
const Table<EndDraft>& input_table();
const Table<EndDraft>& push_table();

const TableBase& channel_file_table();

// Reads one file of channels. Appends to the map.
void read_channels(Report& report, const Value& file, MapDraft& map);
const Table<RenditionMemberDraft>& rendition_member_table();
void read_renditions(Report& report, const Value& renditions, std::vector<RenditionDraft>& out);

const Table<MultiplexDraft>& multiplex_table();
void read_multiplexes(Report& report, const Value& multiplexes, std::vector<MultiplexDraft>& out);
// To the model, with the checks across its keys.
void add_remux(Report& report, const RemuxDraft& draft, Channel& channel);

Parsed<Program> parse_channel_program(const Value& value);
const char* program_schema();
// JSON Schema: an "allOf" that holds each protocol to its options.
std::string protocol_rules(bool input);

// An input or push from its URL (with options in the query) or map.
void read_end(Report& report, const Value& value, const Table<EndDraft>& table, EndDraft& out);
// A list of them under `key`.
void read_ends(Report& report, const Value& value, const char* key, const Table<EndDraft>& table,
               std::vector<EndDraft>& out);
// Of a scheme that is served; kind and scheme of `out` are set.
void read_url(Report& report, const Value& value, bool input, EndDraft& out);
// What the URL and its options say only together.
void check_end(Report& report, const Value& url, bool input, EndDraft& out);
// %41 for A
std::string unescape(std::string_view text);

// The inputs and pushes that pass the bridge: to the model, with the checks between them and with the
// servers.
class BridgeEnds {
 public:
  BridgeEnds(Report& report, const NodeDraft& node) : report_(report), node_(node) {}
  void add_input(const ChannelDraft& channel, const EndDraft& end, std::uint32_t number, Channel& out);
  void add_push(const ChannelDraft& channel, const EndDraft& end, Channel& out);

 private:
  struct Use {
    std::string channel;
    Place place;
  };
  void check_listener(const ChannelDraft& channel, const EndDraft& end);
  void warn_of_shown_key(const ChannelDraft& channel, const EndDraft& end, const Push& push);
  Report& report_;
  const NodeDraft& node_;
  std::vector<std::pair<std::string, Use>> listeners_;  // of SRT
  std::map<std::string, Use> targets_;
};

// Host and port of two listeners that can't both be had.
bool same_socket(const std::string& listen, const std::string& other);

// Names to interfaces, and the checks across both files.
void resolve(Report& report, const NodeDraft& node, const MapDraft& map, Model& model);
// What has an id, and where it stands.
using Ids = std::map<std::string, Place>;
// After the channels, whose ids stand in `ids`.
void resolve_renditions(Report& report, const std::vector<RenditionDraft>& renditions, Ids& ids,
                        Model& model);

// After those; their pushes are left to the caller.
void resolve_multiplexes(Report& report, const std::vector<MultiplexDraft>& multiplexes,
                         const std::vector<ChannelDraft>& channels, Ids& ids, Model& model);
// An id that stands there already, of a channel, a rendition or a multiplex.
void claim_id(Report& report, Ids& ids, const std::string& id, Place place);

}  // namespace headgate::config
