// JSON of what the bridge is told.
#include "control/protocol/state_members.h"

namespace headgate::protocol {
namespace {

using nlohmann::json;

constexpr std::pair<SourceKind, std::string_view> kSourceKinds[] = {
    {SourceKind::publish, "publish"},
    {SourceKind::srt_caller, "srt_caller"},
    {SourceKind::srt_listener, "srt_listener"},
    {SourceKind::rtmp, "rtmp"},
    {SourceKind::http_ts, "http_ts"},
    {SourceKind::hls, "hls"},
    {SourceKind::file, "file"}};
constexpr std::pair<PushKind, std::string_view> kPushKinds[] = {{PushKind::rtmp, "rtmp"},
                                                                {PushKind::srt, "srt"}};
constexpr std::pair<AudioTranscode, std::string_view> kTranscodes[] = {
    {AudioTranscode::automatic, "automatic"},
    {AudioTranscode::never, "never"},
    {AudioTranscode::always, "always"}};
// Wider than what the map allows; a bridge divides by the one and keeps twice the other in files.
constexpr std::uint32_t kMaxSegmentMs = 600'000;
constexpr std::uint32_t kMaxWindow = 1000;
constexpr std::uint32_t kMaxLatencyMs = 65'535;  // 16 bits in SRT's handshake
// What libsrt takes as SRTO_PASSPHRASE.
constexpr std::size_t kMinPassphrase = 10;
constexpr std::size_t kMaxPassphrase = 79;
// A bridge schedules pictures by it.
constexpr std::uint32_t kMinEveryMs = 1000;
constexpr std::uint32_t kMaxEveryMs = 3'600'000;
constexpr std::int32_t kLoudnessFloor = -1000;  // tenths of LUFS
// Of a derived rendition: what an encoder of H.264 is made for.
constexpr std::uint32_t kMaxSide = 8192;

// "" for none. The error tells nothing of the secret.
void read_passphrase(const Members& members, std::string& passphrase) {
  members.read("passphrase", passphrase);
  if (passphrase.empty()) return;
  if (passphrase.size() < kMinPassphrase || passphrase.size() > kMaxPassphrase)
    fail(members.at("passphrase"), "must have 10 to 79 bytes, or none");
}

json write(const BridgeInput& s) {
  return {{"number", s.number},
          {"url", s.url},
          {"address", s.address},
          {"kind", name_of(s.kind, kSourceKinds)},
          {"key", s.key},
          {"passphrase", s.passphrase},
          {"stream_id", s.stream_id},
          {"latency_ms", s.latency_ms},
          {"grace_ms", s.grace_ms}};
}

json write(const BridgePush& s) {
  return {{"url", s.url},
          {"kind", name_of(s.kind, kPushKinds)},
          {"address", s.address},
          {"stream", s.stream},
          {"passphrase", s.passphrase},
          {"stream_id", s.stream_id},
          {"latency_ms", s.latency_ms}};
}

json write(const WatchState& s) {
  return {{"pictures", s.pictures},         {"sound", s.sound},
          {"every_ms", s.every_ms},         {"black_ms", s.black_ms},
          {"frozen_ms", s.frozen_ms},       {"still_ms", s.still_ms},
          {"silence_ms", s.silence_ms},     {"clipping_ms", s.clipping_ms},
          {"phase_ms", s.phase_ms},         {"loudness_ms", s.loudness_ms},
          {"loudness_min", s.loudness_min}, {"loudness_max", s.loudness_max}};
}

json write(const RenditionState& s) {
  json members = json::array();
  for (const RenditionMember& member : s.members) {
    members.push_back({{"channel", member.channel},
                       {"derived", member.derived},
                       {"handle", member.handle},
                       {"width", member.width},
                       {"height", member.height},
                       {"bitrate_bps", member.bitrate_bps}});
  }
  return {{"id", s.id}, {"members", members}};
}

json write(const BridgeChannel& s) {
  json hls = nullptr;
  if (s.hls) hls = {{"segment_ms", s.hls->segment_ms}, {"window", s.hls->window}};
  json srt = nullptr;
  if (s.srt) srt = {{"passphrase", s.srt->passphrase}};
  json inputs = json::array();
  for (const BridgeInput& input : s.inputs) inputs.push_back(write(input));
  json pushes = json::array();
  for (const BridgePush& push : s.pushes) pushes.push_back(write(push));
  return {{"id", s.id},
          {"handle", s.handle},
          {"name", s.name},
          {"program", program_json(s.program)},
          {"hls", hls},
          {"http_ts", s.http_ts},
          {"rtmp", s.rtmp},
          {"srt", srt},
          {"inputs", inputs},
          {"pushes", pushes},
          {"provider", s.provider},
          {"service_id", s.service_id},
          {"transcode", name_of(s.transcode, kTranscodes)},
          {"watch", write(s.watch)}};
}

json write(const RtmpsServerState& s) {
  return {{"listen", s.listen}, {"certificate", s.certificate}, {"key", s.key}};
}

json write(const SrtServerState& s) {
  return {{"listen", s.listen}, {"latency_ms", s.latency_ms}, {"passphrase", s.passphrase}};
}

BridgeInput read_bridge_input(const json& value, const std::string& path) {
  const Members members(
      value, path,
      {"number", "url", "kind", "address", "key", "passphrase", "stream_id", "latency_ms", "grace_ms"});
  BridgeInput s;
  members.read("number", s.number);
  members.read("url", s.url);
  members.read("kind", s.kind, kSourceKinds);
  members.read("address", s.address);
  members.read("key", s.key);
  read_passphrase(members, s.passphrase);
  members.read("stream_id", s.stream_id);
  members.read("latency_ms", s.latency_ms, kMaxLatencyMs);
  members.read("grace_ms", s.grace_ms, kMaxFailoverMs);
  return s;
}

BridgePush read_push(const json& value, const std::string& path) {
  const Members members(value, path,
                        {"url", "kind", "address", "stream", "passphrase", "stream_id", "latency_ms"});
  BridgePush s;
  members.read("url", s.url);
  members.read("kind", s.kind, kPushKinds);
  members.read("address", s.address);
  members.read("stream", s.stream);
  read_passphrase(members, s.passphrase);
  members.read("stream_id", s.stream_id);
  members.read("latency_ms", s.latency_ms, kMaxLatencyMs);
  return s;
}

RtmpsServerState read_rtmps_server(const json& value, const std::string& path) {
  const Members members(value, path, {"listen", "certificate", "key"});
  RtmpsServerState s;
  members.read("listen", s.listen);
  members.read("certificate", s.certificate);
  members.read("key", s.key);
  return s;
}

void read_loudness(const Members& members, const char* name, std::int32_t& tenths) {
  const json& value = members.get(name);
  const bool whole = value.is_number_integer() &&
                     (!value.is_number_unsigned() || value.get<std::uint64_t>() == 0);  // negative, or 0
  if (!whole || value.get<std::int64_t>() < kLoudnessFloor)
    fail(members.at(name), "must be a whole number from -1000 to 0");
  tenths = static_cast<std::int32_t>(value.get<std::int64_t>());
}

WatchState read_watch(const json& value, const std::string& path) {
  const Members members(value, path,
                        {"pictures", "sound", "every_ms", "black_ms", "frozen_ms", "still_ms", "silence_ms",
                         "clipping_ms", "phase_ms", "loudness_ms", "loudness_min", "loudness_max"});
  WatchState s;
  members.read("pictures", s.pictures);
  members.read("sound", s.sound);
  members.read("every_ms", s.every_ms, kMaxEveryMs);
  if (s.every_ms < kMinEveryMs) fail(members.at("every_ms"), "must be at least 1000");
  members.read("black_ms", s.black_ms, kMaxFailoverMs);
  members.read("frozen_ms", s.frozen_ms, kMaxFailoverMs);
  members.read("still_ms", s.still_ms, kMaxFailoverMs);
  members.read("silence_ms", s.silence_ms, kMaxFailoverMs);
  members.read("clipping_ms", s.clipping_ms, kMaxFailoverMs);
  members.read("phase_ms", s.phase_ms, kMaxFailoverMs);
  members.read("loudness_ms", s.loudness_ms, kMaxFailoverMs);
  read_loudness(members, "loudness_min", s.loudness_min);
  read_loudness(members, "loudness_max", s.loudness_max);
  return s;
}

RenditionMember read_rendition_member(const json& value, const std::string& path) {
  const Members members(value, path, {"channel", "derived", "handle", "width", "height", "bitrate_bps"});
  RenditionMember s;
  members.read("channel", s.channel);
  members.read("derived", s.derived);
  members.read("handle", s.handle);
  members.read("width", s.width, kMaxSide);
  members.read("height", s.height, kMaxSide);
  members.read("bitrate_bps", s.bitrate_bps);
  if (s.derived && (s.height == 0 || s.height % 2 != 0 || s.width % 2 != 0))
    fail(path, "needs an even height, and an even width or none");
  if (s.derived && s.bitrate_bps == 0) fail(members.at("bitrate_bps"), "must not be 0");
  return s;
}

RenditionState read_rendition(const json& value, const std::string& path) {
  const Members members(value, path, {"id", "members"});
  RenditionState s;
  s.id = read_id(members);
  members.read_list("members", s.members, read_rendition_member);
  return s;
}

BridgeChannel read_bridge_channel(const json& value, const std::string& path) {
  const Members members(value, path,
                        {"id", "handle", "name", "program", "hls", "http_ts", "rtmp", "srt", "inputs",
                         "pushes", "service_id", "provider", "transcode", "watch"});
  BridgeChannel s;
  s.id = read_id(members);
  members.read("handle", s.handle);
  members.read("name", s.name);
  s.program = read_program(members);
  if (!members.null("hls")) {
    const Members hls(members.get("hls"), members.at("hls"), {"segment_ms", "window"});
    s.hls.emplace();
    hls.read("segment_ms", s.hls->segment_ms, kMaxSegmentMs);
    if (s.hls->segment_ms == 0) fail(hls.at("segment_ms"), "must not be 0");
    hls.read("window", s.hls->window, kMaxWindow);
  }
  members.read("http_ts", s.http_ts);
  members.read("rtmp", s.rtmp);
  if (!members.null("srt")) {
    const Members srt(members.get("srt"), members.at("srt"), {"passphrase"});
    read_passphrase(srt, s.srt.emplace().passphrase);
  }
  members.read_list("inputs", s.inputs, read_bridge_input);
  members.read_list("pushes", s.pushes, read_push);
  members.read("service_id", s.service_id);
  members.read("provider", s.provider);
  members.read("transcode", s.transcode, kTranscodes);
  s.watch = read_watch(members.get("watch"), members.at("watch"));
  return s;
}

SrtServerState read_srt_server(const json& value, const std::string& path) {
  const Members members(value, path, {"listen", "latency_ms", "passphrase"});
  SrtServerState s;
  members.read("listen", s.listen);
  members.read("latency_ms", s.latency_ms, kMaxLatencyMs);
  read_passphrase(members, s.passphrase);
  return s;
}

BridgeState read_bridge(const json& value) {
  const Members members(value, "",
                        {"version", "generation", "node", "log_level", "log_format", "http_listen",
                         "rtmp_listen", "rtmps_servers", "srt_servers", "channels", "renditions"});
  BridgeState s;
  members.read("generation", s.generation);
  members.read("node", s.node);
  members.read("log_level", s.log_level);
  members.read("log_format", s.log_format);
  members.read_list("http_listen", s.http_listen, Members::string);
  members.read_list("rtmp_listen", s.rtmp_listen, Members::string);
  members.read_list("rtmps_servers", s.rtmps_servers, read_rtmps_server);
  members.read_list("srt_servers", s.srt_servers, read_srt_server);
  members.read_list("channels", s.channels, read_bridge_channel);
  members.read_list("renditions", s.renditions, read_rendition);
  return s;
}

}  // namespace

std::string to_json(const BridgeState& s) {
  json channels = json::array();
  for (const BridgeChannel& channel : s.channels) channels.push_back(write(channel));
  json renditions = json::array();
  for (const RenditionState& rendition : s.renditions) renditions.push_back(write(rendition));
  json rtmps_servers = json::array();
  for (const RtmpsServerState& server : s.rtmps_servers) rtmps_servers.push_back(write(server));
  json srt_servers = json::array();
  for (const SrtServerState& server : s.srt_servers) srt_servers.push_back(write(server));
  return dump({{"version", kStateVersion},
               {"generation", s.generation},
               {"node", s.node},
               {"log_level", s.log_level},
               {"log_format", s.log_format},
               {"http_listen", s.http_listen},
               {"rtmp_listen", s.rtmp_listen},
               {"rtmps_servers", rtmps_servers},
               {"srt_servers", srt_servers},
               {"channels", channels},
               {"renditions", renditions}},
              1) +
         "\n";
}

tl::expected<BridgeState, std::string> parse_bridge_state(const std::string& text) {
  return parse_state<BridgeState>(text, read_bridge);
}

}  // namespace headgate::protocol
