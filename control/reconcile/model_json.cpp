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
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Push, url, protocol, interface, vlan, group, port, ttl, dscp, enabled)

static void to_json(json& to, const SrtServer& from) {
  to = {{"listen", from.listen},
        {"latency_ms", from.latency.count()},
        {"passphrase_file", from.passphrase_file}};
}

static void from_json(const json& from, SrtServer& to) {
  from.at("listen").get_to(to.listen);
  to.latency = std::chrono::milliseconds(from.at("latency_ms").get<std::int64_t>());
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
  to = {{"number", from.number},       {"url", from.url},   {"protocol", from.protocol},
        {"interface", from.interface}, {"vlan", from.vlan}, {"group", from.group},
        {"source", from.source},       {"port", from.port}, {"program", program_to_json(from.program)}};
}

static void from_json(const json& from, Input& to) {
  from.at("number").get_to(to.number);
  from.at("url").get_to(to.url);
  from.at("protocol").get_to(to.protocol);
  from.at("interface").get_to(to.interface);
  from.at("vlan").get_to(to.vlan);
  from.at("group").get_to(to.group);
  from.at("source").get_to(to.source);
  from.at("port").get_to(to.port);
  to.program = program_from_json(from.at("program"));
}

static void to_json(json& to, const Channel& from) {
  to = {{"id", from.id},         {"name", from.name}, {"tags", from.tags},      {"enabled", from.enabled},
        {"inputs", from.inputs}, {"push", from.push}, {"number", nullptr},      {"hls", nullptr},
        {"rtmp", from.rtmp},     {"srt", nullptr},    {"http_ts", from.http_ts}};
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
    to.hls = HlsOptions{std::chrono::milliseconds(hls.at("segment_ms").get<std::int64_t>()),
                        hls.at("window").get<std::uint32_t>()};
  // Maps kept from before these were served have none of the three.
  to.http_ts = from.value("http_ts", false);
  to.rtmp = from.value("rtmp", false);
  if (const auto srt = from.find("srt"); srt != from.end() && !srt->is_null())
    to.srt = SrtOptions{srt->at("passphrase_file").get<std::string>(), {}};
}

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
        {"srt", from.srt},
        {"admin", nullptr}};
  if (from.admin) to["admin"] = *from.admin;
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
  if (from.contains("srt")) from.at("srt").get_to(to.srt);
  if (const json& admin = from.at("admin"); !admin.is_null()) to.admin = admin.get<AdminServer>();
}

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Model, node, channels)

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
