#include "control/reconcile/model_json.h"

#include <nlohmann/json.hpp>

// nlohmann finds these by argument-dependent lookup, which looks beside the types, not into an unnamed
// namespace.
namespace headgate::config {

using nlohmann::json;

NLOHMANN_JSON_SERIALIZE_ENUM(LogLevel, {{LogLevel::trace, "trace"},
                                        {LogLevel::debug, "debug"},
                                        {LogLevel::info, "info"},
                                        {LogLevel::warning, "warning"},
                                        {LogLevel::error, "error"}})
NLOHMANN_JSON_SERIALIZE_ENUM(LogFormat, {{LogFormat::text, "text"}, {LogFormat::json, "json"}})
NLOHMANN_JSON_SERIALIZE_ENUM(
    Igmp, {{Igmp::automatic, "auto"}, {Igmp::v1, "v1"}, {Igmp::v2, "v2"}, {Igmp::v3, "v3"}})
NLOHMANN_JSON_SERIALIZE_ENUM(Hugepages, {{Hugepages::automatic, "auto"},
                                         {Hugepages::required, "required"},
                                         {Hugepages::never, "never"}})
NLOHMANN_JSON_SERIALIZE_ENUM(Idle, {{Idle::adaptive, "adaptive"}, {Idle::poll, "poll"}})
NLOHMANN_JSON_SERIALIZE_ENUM(DatagramProtocol,
                             {{DatagramProtocol::udp, "udp"}, {DatagramProtocol::rtp, "rtp"}})

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Vlan, id, addresses)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Interface, name, device, addresses, is_default, mtu, igmp, vlans)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Fastpath, workers, cores, hugepages, idle)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(HttpServer, listen)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(RtmpServer, listen)
// Without tokens and passphrases: secrets stay in their files and are read from there again.
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(AdminServer, listen, tokens_file)
NLOHMANN_JSON_SERIALIZE_ENUM(InputKind, {{InputKind::datagrams, "datagrams"},
                                         {InputKind::publish, "publish"},
                                         {InputKind::srt_caller, "srt_caller"},
                                         {InputKind::srt_listener, "srt_listener"},
                                         {InputKind::rtmp, "rtmp"},
                                         {InputKind::http_ts, "http_ts"},
                                         {InputKind::hls, "hls"},
                                         {InputKind::file, "file"}})
NLOHMANN_JSON_SERIALIZE_ENUM(PushKind, {{PushKind::datagrams, "datagrams"},
                                        {PushKind::rtmp, "rtmp"},
                                        {PushKind::srt, "srt"}})

static std::chrono::milliseconds milliseconds_of(const json& from, const char* name) {
  return std::chrono::milliseconds(from.at(name).get<std::int64_t>());
}

// What inputs and pushes have in common.
template <class End>
static json end_to_json(const End& from) {
  json to = {{"url", from.url},   {"protocol", from.protocol}, {"interface", from.interface},
             {"vlan", from.vlan}, {"group", from.group},       {"port", from.port},
             {"kind", from.kind}};
  if (by_bridge(from))
    to.update({{"address", from.address},
               {"stream_id", from.stream_id},
               {"latency_ms", from.latency.count()},
               {"passphrase_file", from.passphrase_file},
               {"key_file", from.key_file}});
  return to;
}

// Maps kept from before there was anything but datagrams have no kind.
template <class End>
static void end_from_json(const json& from, End& to) {
  from.at("url").get_to(to.url);
  from.at("protocol").get_to(to.protocol);
  from.at("interface").get_to(to.interface);
  from.at("vlan").get_to(to.vlan);
  from.at("group").get_to(to.group);
  from.at("port").get_to(to.port);
  to.kind = from.value("kind", decltype(to.kind)::datagrams);
  if (!by_bridge(to)) return;
  from.at("address").get_to(to.address);
  from.at("stream_id").get_to(to.stream_id);
  to.latency = milliseconds_of(from, "latency_ms");
  from.at("passphrase_file").get_to(to.passphrase_file);
  from.at("key_file").get_to(to.key_file);
}

static void to_json(json& to, const Push& from) {
  to = end_to_json(from);
  to.update({{"ttl", from.ttl}, {"dscp", from.dscp}, {"enabled", from.enabled}});
  if (by_bridge(from)) to["stream"] = from.key_file.empty() ? from.stream : "";
}

static void from_json(const json& from, Push& to) {
  end_from_json(from, to);
  from.at("ttl").get_to(to.ttl);
  from.at("dscp").get_to(to.dscp);
  from.at("enabled").get_to(to.enabled);
  if (by_bridge(to)) from.at("stream").get_to(to.stream);
}

static void to_json(json& to, const RtmpsServer& from) {
  to = {{"listen", from.listen}, {"certificate_file", from.certificate_file}, {"key_file", from.key_file}};
}

static void from_json(const json& from, RtmpsServer& to) {
  from.at("listen").get_to(to.listen);
  from.at("certificate_file").get_to(to.certificate_file);
  from.at("key_file").get_to(to.key_file);
}

static void to_json(json& to, const SrtServer& from) {
  to = {{"listen", from.listen},
        {"latency_ms", from.latency.count()},
        {"passphrase_file", from.passphrase_file}};
}

static void from_json(const json& from, SrtServer& to) {
  from.at("listen").get_to(to.listen);
  to.latency = milliseconds_of(from, "latency_ms");
  from.at("passphrase_file").get_to(to.passphrase_file);
}

static json program_to_json(const std::optional<Program>& program) {
  if (!program) return nullptr;
  return std::visit([](const auto& value) { return json(value); }, *program);
}

static std::optional<Program> program_from_json(const json& value) {
  if (value.is_null()) return std::nullopt;
  if (value.is_string()) return Program(value.get<std::string>());
  return Program(value.get<std::uint16_t>());
}

static void to_json(json& to, const Input& from) {
  to = end_to_json(from);
  to.update({{"number", from.number}, {"source", from.source}, {"program", program_to_json(from.program)}});
  if (by_bridge(from)) to["grace_ms"] = from.grace.count();
}

static void from_json(const json& from, Input& to) {
  end_from_json(from, to);
  from.at("number").get_to(to.number);
  from.at("source").get_to(to.source);
  to.program = program_from_json(from.at("program"));
  if (by_bridge(to)) to.grace = milliseconds_of(from, "grace_ms");
}

static void to_json(json& to, const Failover& from) {
  json when = json::array();
  for (const Trouble trouble : from.when) when.push_back(kTroubleNames[static_cast<std::size_t>(trouble)]);
  to = {
      {"after_ms", from.after.count()}, {"back", from.back}, {"hold_ms", from.hold.count()}, {"when", when}};
}

static void from_json(const json& from, Failover& to) {
  to.after = milliseconds_of(from, "after_ms");
  to.hold = milliseconds_of(from, "hold_ms");
  from.at("back").get_to(to.back);
  to.when.clear();
  for (const json& name : from.at("when")) {
    for (std::size_t i = 0; i < kTroubleNames.size(); ++i) {
      if (name.get<std::string>() == kTroubleNames[i]) to.when.push_back(static_cast<Trouble>(i));
    }
  }
}

static void to_json(json& to, const PidRule& from) {
  to = {{"role", from.role}, {"pid", from.pid}, {"to", nullptr}};
  if (from.to) to["to"] = *from.to;
}

static void from_json(const json& from, PidRule& to) {
  from.at("role").get_to(to.role);
  from.at("pid").get_to(to.pid);
  if (const json& pid = from.at("to"); !pid.is_null()) to.to = pid.get<std::uint16_t>();
}

NLOHMANN_JSON_SERIALIZE_ENUM(CaHandling, {{CaHandling::ecm, "ecm"},
                                          {CaHandling::keep, "keep"},
                                          {CaHandling::drop, "drop"}})

static void to_json(json& to, const Remux& from) {
  to = {{"bitrate", from.bitrate},   {"buffer_ms", nullptr}, {"service_id", nullptr},
        {"provider", from.provider}, {"ca", nullptr},        {"pids", from.pids}};
  if (from.ca) to["ca"] = *from.ca;
  if (from.buffer) to["buffer_ms"] = from.buffer->count();
  if (from.service_id) to["service_id"] = *from.service_id;
}

static void from_json(const json& from, Remux& to) {
  from.at("bitrate").get_to(to.bitrate);
  if (!from.at("buffer_ms").is_null()) to.buffer = milliseconds_of(from, "buffer_ms");
  if (const json& id = from.at("service_id"); !id.is_null()) to.service_id = id.get<std::uint16_t>();
  from.at("provider").get_to(to.provider);
  // Maps that were applied before there were these.
  if (const auto ca = from.find("ca"); ca != from.end() && !ca->is_null()) to.ca = ca->get<CaHandling>();
  if (const auto pids = from.find("pids"); pids != from.end()) pids->get_to(to.pids);
}

NLOHMANN_JSON_SERIALIZE_ENUM(AudioTranscode, {{AudioTranscode::automatic, "auto"},
                                              {AudioTranscode::never, "never"},
                                              {AudioTranscode::always, "always"}})
NLOHMANN_JSON_SERIALIZE_ENUM(Watching, {{Watching::automatic, "auto"},
                                        {Watching::never, "never"},
                                        {Watching::always, "always"}})
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Audio, transcode)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(LoudnessRange, min, max)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(RenditionMember, channel, derived, width, height, bitrate)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Rendition, id, members)

static void to_json(json& to, const Watch& from) {
  to = {{"every_ms", from.every.count()}, {"pictures", from.pictures}, {"sound", from.sound}};
}

static void from_json(const json& from, Watch& to) {
  to.every = milliseconds_of(from, "every_ms");
  from.at("pictures").get_to(to.pictures);
  from.at("sound").get_to(to.sound);
}

static void to_json(json& to, const Alarms& from) {
  to = {{"black_ms", from.black.count()},
        {"frozen_ms", from.frozen.count()},
        {"still_ms", from.still.count()},
        {"silence_ms", from.silence.count()},
        {"clipping_ms", from.clipping.count()},
        {"phase_ms", from.phase.count()},
        {"loudness", nullptr},
        {"loudness_after_ms", from.loudness_after.count()}};
  if (from.loudness) to["loudness"] = *from.loudness;
  to["cc_errors"] = nullptr;
  to["bitrate"] = nullptr;
  if (from.cc_errors)
    to["cc_errors"] = {{"count", from.cc_errors->count}, {"per_ms", from.cc_errors->per.count()}};
  if (from.bitrate) to["bitrate"] = {{"min", from.bitrate->min}, {"max", from.bitrate->max}};
}

static void from_json(const json& from, Alarms& to) {
  to.black = milliseconds_of(from, "black_ms");
  to.frozen = milliseconds_of(from, "frozen_ms");
  to.still = milliseconds_of(from, "still_ms");
  to.silence = milliseconds_of(from, "silence_ms");
  to.clipping = milliseconds_of(from, "clipping_ms");
  to.phase = milliseconds_of(from, "phase_ms");
  to.loudness.reset();
  if (const json& range = from.at("loudness"); !range.is_null()) to.loudness = range.get<LoudnessRange>();
  to.loudness_after = milliseconds_of(from, "loudness_after_ms");
  // Maps kept from before these were there have neither.
  if (const auto rate = from.find("cc_errors"); rate != from.end() && !rate->is_null())
    to.cc_errors = ErrorRate{rate->at("count").get<std::uint64_t>(), milliseconds_of(*rate, "per_ms")};
  if (const auto range = from.find("bitrate"); range != from.end() && !range->is_null())
    to.bitrate = RateRange{range->at("min").get<std::uint64_t>(), range->at("max").get<std::uint64_t>()};
}

static void to_json(json& to, const Channel& from) {
  to = {
      {"id", from.id},         {"name", from.name},   {"tags", from.tags},       {"enabled", from.enabled},
      {"inputs", from.inputs}, {"push", from.push},   {"number", nullptr},       {"hls", nullptr},
      {"rtmp", from.rtmp},     {"srt", nullptr},      {"http_ts", from.http_ts}, {"failover", from.failover},
      {"remux", from.remux},   {"audio", from.audio}, {"watch", from.watch},     {"alarms", from.alarms}};
  if (from.number) to["number"] = *from.number;
  if (from.hls) to["hls"] = {{"segment_ms", from.hls->segment.count()}, {"window", from.hls->window}};
  if (from.srt) to["srt"] = {{"passphrase_file", from.srt->passphrase_file}};
}

static void from_json(const json& from, Channel& to) {
  from.at("id").get_to(to.id);
  from.at("name").get_to(to.name);
  from.at("tags").get_to(to.tags);
  from.at("enabled").get_to(to.enabled);
  from.at("inputs").get_to(to.inputs);
  from.at("push").get_to(to.push);
  if (const json& number = from.at("number"); !number.is_null()) to.number = number.get<std::uint32_t>();
  if (const json& hls = from.at("hls"); !hls.is_null())
    to.hls = HlsOptions{milliseconds_of(hls, "segment_ms"), hls.at("window").get<std::uint32_t>()};
  // Maps kept from before these were served have none of the three.
  to.http_ts = from.value("http_ts", false);
  to.rtmp = from.value("rtmp", false);
  if (const auto srt = from.find("srt"); srt != from.end() && !srt->is_null())
    to.srt = SrtOptions{srt->at("passphrase_file").get<std::string>(), {}};
  if (from.contains("failover")) from.at("failover").get_to(to.failover);
  if (from.contains("remux")) from.at("remux").get_to(to.remux);
  if (from.contains("audio")) from.at("audio").get_to(to.audio);
  if (from.contains("watch")) from.at("watch").get_to(to.watch);
  if (from.contains("alarms")) from.at("alarms").get_to(to.alarms);
}

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Multiplex, id, transport_stream_id, network_id, original_network_id,
                                   bitrate, lcn, channels, push)

static void to_json(json& to, const Node& from) {
  to = {{"node", from.node},
        {"run_dir", from.run_dir},
        {"data_dir", from.data_dir},
        {"log_level", from.log_level},
        {"log_format", from.log_format},
        {"interfaces", from.interfaces},
        {"fastpath", from.fastpath},
        {"http", from.http},
        {"rtmp", from.rtmp},
        {"rtmps", from.rtmps},
        {"srt", from.srt},
        {"admin", nullptr},
        {"webhook", nullptr}};
  if (from.admin) to["admin"] = *from.admin;
  if (from.webhook) to["webhook"] = {{"url", from.webhook->url}, {"secret_file", from.webhook->secret_file}};
}

static void from_json(const json& from, Node& to) {
  from.at("node").get_to(to.node);
  from.at("run_dir").get_to(to.run_dir);
  from.at("data_dir").get_to(to.data_dir);
  from.at("log_level").get_to(to.log_level);
  from.at("log_format").get_to(to.log_format);
  from.at("interfaces").get_to(to.interfaces);
  from.at("fastpath").get_to(to.fastpath);
  from.at("http").get_to(to.http);
  if (from.contains("rtmp")) from.at("rtmp").get_to(to.rtmp);
  if (from.contains("rtmps")) from.at("rtmps").get_to(to.rtmps);
  if (from.contains("srt")) from.at("srt").get_to(to.srt);
  if (const json& admin = from.at("admin"); !admin.is_null()) to.admin = admin.get<AdminServer>();
  if (const auto hook = from.find("webhook"); hook != from.end() && !hook->is_null())
    to.webhook = Webhook{hook->at("url").get<std::string>(), hook->at("secret_file").get<std::string>(), ""};
}

static void to_json(json& to, const Model& from) {
  to = {{"node", from.node},
        {"channels", from.channels},
        {"renditions", from.renditions},
        {"multiplexes", from.multiplexes}};
}

static void from_json(const json& from, Model& to) {
  from.at("node").get_to(to.node);
  from.at("channels").get_to(to.channels);
  // Maps kept from before these were served have none.
  if (from.contains("renditions")) from.at("renditions").get_to(to.renditions);
  if (from.contains("multiplexes")) from.at("multiplexes").get_to(to.multiplexes);
}

}  // namespace headgate::config

namespace headgate::control {

inline constexpr int kModelVersion = 1;

std::string model_to_json(const config::Model& model) {
  return nlohmann::json{{"version", kModelVersion}, {"model", model}}.dump(1) + "\n";
}

tl::expected<std::shared_ptr<const config::Model>, std::string> parse_model(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  try {
    if (json.at("version").get<int>() != kModelVersion)
      return tl::unexpected(std::string("stored by another version"));
    return std::make_shared<const config::Model>(json.at("model").get<config::Model>());
  } catch (const nlohmann::json::exception& error) {
    return tl::unexpected(std::string(error.what()));
  }
}

}  // namespace headgate::control
