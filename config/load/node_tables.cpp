// The tables of the node file.
#include <algorithm>
#include <set>

#include "config/load/draft.h"

namespace headgate::config {
namespace {

struct VlansDraft {
  Vlan vlan;
  std::vector<Located<std::string>> addresses;
};

struct LogDraft {
  LogLevel level = LogLevel::info;
  LogFormat format = LogFormat::text;
};

struct ServersDraft {
  std::vector<HttpDraft> http;
  std::vector<RtmpDraft> rtmp;
  std::vector<RtmpsDraft> rtmps;
  std::vector<SrtDraft> srt;
  std::optional<AdminDraft> admin;
};

std::string address_schema() {
  const std::string one = text_schema(check_prefix);
  return fmt::format(R"({{"anyOf":[{0},{{"type":"array","items":{0},"maxItems":16}}]}})", one);
}

// One value or a list of them.
std::vector<const Value*> one_or_list(const Value& value) {
  std::vector<const Value*> out;
  if (!value.is_list()) return {&value};
  for (const ValuePtr& item : value.items) out.push_back(item.get());
  return out;
}

void read_addresses(Report& report, const Value& value, std::vector<Located<std::string>>& out) {
  for (const Value* item : one_or_list(value)) {
    const auto address = parse_text(*item).and_then(check_prefix);
    if (!address) {
      report.error(item->place, fmt::format("address {}", address.error()));
    } else {
      out.push_back({*address, item->place, true});
    }
  }
}

const Table<VlansDraft>& vlan_table() {
  static const Table<VlansDraft> kTable{
      "a VLAN",
      {custom<VlansDraft>("address", address_schema(), "", "the gateway's address in the VLAN, or a list",
                          [](Report& report, const Value& value, VlansDraft& out) {
                            read_addresses(report, value, out.addresses);
                          })}};
  return kTable;
}

void read_vlans(Report& report, const Value& value, InterfaceDraft& out) {
  if (!value.is_map()) {
    report.error(value.place, fmt::format("vlans must be a map of VLAN ids, not {}", kind_name(value)));
    return;
  }
  std::set<std::uint64_t> seen;
  for (const Entry& entry : value.entries) {
    const auto id = parse_integer(*make_scalar(entry.key, entry.place), 1, 4094);
    VlansDraft vlan;
    if (!entry.value->is_null()) read_table(report, *entry.value, vlan_table(), vlan);
    if (!id) {
      report.error(entry.place, fmt::format("VLAN id {}", id.error()));
      continue;
    }
    if (!seen.insert(*id).second) report.error(entry.place, fmt::format("VLAN {} stands here twice", *id));
    vlan.vlan.id = static_cast<std::uint16_t>(*id);
    for (const auto& address : vlan.addresses) {
      vlan.vlan.addresses.push_back(address.value);
      out.addresses.push_back(address);
    }
    out.interface.vlans.push_back(vlan.vlan);
  }
}

const Table<InterfaceDraft>& interface_table() {
  using D = InterfaceDraft;
  static const Table<D> kTable{
      "an interface",
      {required(
           text<D>("device", &D::device, check_device, "",
                   "what DPDK drives: af_packet:eth1, af_xdp:eth1, pci:0000:3b:00.0, tap:NAME, memif:PATH, "
                   "pcap:FILE, dpdk:DEVARGS")),
       custom<D>("address", address_schema(), "",
                 "address with prefix, or a list: source of IGMP reports, ARP replies and multicast output",
                 [](Report& report, const Value& value, D& out) {
                   const std::size_t first = out.addresses.size();
                   read_addresses(report, value, out.addresses);
                   for (std::size_t i = first; i < out.addresses.size(); ++i) {
                     out.interface.addresses.push_back(out.addresses[i].value);
                   }
                 }),
       boolean<D>(
           "default", [](D& d) -> bool& { return d.interface.is_default; }, "false",
           "used by inputs and pushes that name no interface; needed when there are several"),
       custom<D>("mtu", R"({"type":"integer","minimum":576,"maximum":9216})", "1500",
                 "largest IP packet in bytes",
                 [](Report& report, const Value& value, D& out) {
                   const auto mtu = parse_integer(value, 576, 9216);
                   if (!mtu) report.error(value.place, "mtu " + mtu.error());
                   out.interface.mtu = static_cast<std::uint16_t>(mtu.value_or(1500));
                   out.mtu_place = value.place;
                 }),
       choice<D>(
           "igmp", [](D& d) -> Igmp& { return d.interface.igmp; },
           std::vector<std::pair<std::string, Igmp>>{
               {"auto", Igmp::automatic}, {"v1", Igmp::v1}, {"v2", Igmp::v2}, {"v3", Igmp::v3}},
           "auto", "IGMP version; auto follows the querier"),
       tables<D>("vlans", Key::Shape::named, vlan_table(), "802.1Q networks by VLAN id, 1 to 4094",
                 read_vlans),
       fixed<D>("mld", "auto", R"({"const":"auto"})", "MLD version"), refused<D>("gateway"),
       refused<D>("exception")}};
  return kTable;
}

void read_interfaces(Report& report, const Value& value, NodeDraft& out) {
  if (!value.is_map()) {
    report.error(value.place, fmt::format("interfaces must be a map of names, not {}", kind_name(value)));
    return;
  }
  for (const Entry& entry : value.entries) {
    const auto name = check_interface_name(entry.key);
    if (!name) report.error(entry.place, name.error());
    InterfaceDraft draft;
    draft.place = entry.place;
    draft.interface.name = entry.key;
    read_table(report, *entry.value, interface_table(), draft);
    draft.interface.device = draft.device.value;
    out.interfaces.push_back(std::move(draft));
  }
}

const Table<LogDraft>& log_table() {
  using D = LogDraft;
  static const Table<D> kTable{
      "log",
      {choice<D>("level", &D::level,
                 std::vector<std::pair<std::string, LogLevel>>{{"trace", LogLevel::trace},
                                                               {"debug", LogLevel::debug},
                                                               {"info", LogLevel::info},
                                                               {"warning", LogLevel::warning},
                                                               {"error", LogLevel::error}},
                 "info", "least severity that is logged"),
       choice<D>("format", &D::format,
                 std::vector<std::pair<std::string, LogFormat>>{{"text", LogFormat::text},
                                                                {"json", LogFormat::json}},
                 "text", "form of a log line")}};
  return kTable;
}

void read_cores(Report& report, const Value& value, NodeDraft& out) {
  if (!value.is_list()) {
    report.error(value.place,
                 fmt::format("cores must be a list of core numbers like [1], not {}", kind_name(value)));
    return;
  }
  for (const ValuePtr& item : value.items) {
    const auto core = parse_integer(*item, 0, 1023);
    if (!core) {
      report.error(item->place, "a core " + core.error());
    } else {
      out.cores.push_back({static_cast<std::uint32_t>(*core), item->place, true});
    }
  }
}

const Table<NodeDraft>& fastpath_table() {
  using D = NodeDraft;
  static const Table<D> kTable{
      "fastpath",
      {custom<D>("workers", R"({"const":1})", "1", "polling cores; only 1 works today",
                 [](Report& report, const Value& value, D& out) {
                   const auto workers = parse_integer(value, 1, 64);
                   if (!workers) {
                     report.error(value.place, "workers " + workers.error());
                   } else if (*workers != 1) {
                     report.error(value.place,
                                  fmt::format("workers: {} is not supported yet, only 1", *workers));
                   } else {
                     out.node.fastpath.workers = 1;
                   }
                 }),
       custom<D>(
           "cores",
           R"({"type":"array","items":{"type":"integer","minimum":0,"maximum":1023},"uniqueItems":true})", "",
           "the core each worker is pinned to", read_cores),
       choice<D>(
           "hugepages", [](D& d) -> Hugepages& { return d.node.fastpath.hugepages; },
           std::vector<std::pair<std::string, Hugepages>>{{"auto", Hugepages::automatic},
                                                          {"required", Hugepages::required},
                                                          {"never", Hugepages::never}},
           "auto", "auto takes them where there are any"),
       choice<D>(
           "idle", [](D& d) -> Idle& { return d.node.fastpath.idle; },
           std::vector<std::pair<std::string, Idle>>{{"adaptive", Idle::adaptive}, {"poll", Idle::poll}},
           "adaptive", "adaptive sleeps when quiet; poll never sleeps")}};
  return kTable;
}

const Table<HttpDraft>& http_server_table() {
  static const Table<HttpDraft> kTable{
      "servers.http",
      {required(text<HttpDraft>("listen", &HttpDraft::listen, check_listen, "",
                                "address and port; \"[::]:8080\" takes IPv6 and IPv4"))}};
  return kTable;
}

// A list of variants of RTMP. None of them is there yet, so that only the empty one is right.
void read_legacy(Report& report, const Value& value, RtmpDraft&) {
  const std::vector<std::string> variants{"rtmpt", "rtmpe", "rtmpte"};
  if (!value.is_list()) {
    report.error(value.place, fmt::format("legacy must be a list like [rtmpt], not {}", kind_name(value)));
    return;
  }
  for (const ValuePtr& item : value.items) {
    const bool known =
        item->is_scalar() && std::find(variants.begin(), variants.end(), item->text) != variants.end();
    report.error(item->place,
                 known ? fmt::format("legacy: {} is not supported yet", item->text)
                       : fmt::format("legacy names rtmpt, rtmpe and rtmpte, not {}{}", kind_name(*item),
                                     item->is_scalar() ? suggestion(item->text, variants) : ""));
  }
}

const Table<RtmpDraft>& rtmp_server_table() {
  using D = RtmpDraft;
  static const Table<D> kTable{"servers.rtmp",
                               {required(text<D>("listen", &D::listen, check_listen, "",
                                                 "address and port; \"[::]:1935\" takes IPv6 and IPv4")),
                                custom<D>("legacy", R"({"type":"array","maxItems":0})", "",
                                          "variants of RTMP to allow: none of them yet", read_legacy)}};
  return kTable;
}

const Table<RtmpsDraft>& rtmps_server_table() {
  using D = RtmpsDraft;
  static const Table<D> kTable{
      "servers.rtmps",
      {required(text<D>("listen", &D::listen, check_listen, "",
                        "address and port; \"[::]:1936\" takes IPv6 and IPv4")),
       required(text<D>(
           "certificate", [](D& d) -> Located<std::string>& { return d.certificate.file; }, check_file, "",
           "PEM file of the certificate and those between it and the root, relative to this file; read again "
           "at "
           "each apply")),
       required(text<D>(
           "key", [](D& d) -> Located<std::string>& { return d.key.file; }, check_file, "",
           "PEM file of its private key, without a passphrase, relative to this file"))}};
  return kTable;
}

const Table<SrtDraft>& srt_server_table() {
  using D = SrtDraft;
  using std::chrono::milliseconds;
  static const Table<D> kTable{
      "servers.srt",
      {required(text<D>("listen", &D::listen, check_listen, "",
                        "address and UDP port; \"[::]:9000\" takes IPv6 and IPv4")),
       duration<D>("latency", &D::latency, milliseconds(20), milliseconds(8000), "120ms",
                   "time to repair losses, at least four times the round trip; a player may ask for more"),
       text<D>(
           "passphrase_file", [](D& d) -> Located<std::string>& { return d.passphrase.file; }, check_file, "",
           "file that holds the AES passphrase, 10 to 79 characters, of channels that have none of their "
           "own; relative to this file")}};
  return kTable;
}

const Table<AdminDraft>& admin_server_table() {
  using D = AdminDraft;
  static const Table<D> kTable{
      "servers.admin",
      {required(text<D>("listen", &D::listen, check_listen, "",
                        "address and port of /metrics, /healthz and /readyz")),
       text<D>("tokens_file", &D::tokens_file, check_file, "",
               "file of ROLE TOKEN lines (viewer, operator, admin), relative to this file")}};
  return kTable;
}

const Table<ServersDraft>& servers_table() {
  using D = ServersDraft;
  static const Table<D> kTable{
      "servers",
      {tables<D>("http", Key::Shape::one_or_list, http_server_table(),
                 "HTTP for players; a map or a list of maps",
                 [](Report& report, const Value& value, D& out) {
                   for (const Value* item : one_or_list(value)) {
                     read_table(report, *item, http_server_table(), out.http.emplace_back());
                   }
                 }),
       tables<D>("admin", Key::Shape::one_or_list, admin_server_table(), "metrics and health",
                 [](Report& report, const Value& value, D& out) {
                   for (const Value* item : one_or_list(value)) {
                     if (out.admin) {
                       report.error(item->place, "a second admin server is not supported yet");
                       break;
                     }
                     read_table(report, *item, admin_server_table(), out.admin.emplace());
                   }
                 }),
       tables<D>("rtmp", Key::Shape::one_or_list, rtmp_server_table(),
                 "RTMP for players and encoders; a map or a list of maps",
                 [](Report& report, const Value& value, D& out) {
                   for (const Value* item : one_or_list(value)) {
                     read_table(report, *item, rtmp_server_table(), out.rtmp.emplace_back());
                   }
                 }),
       tables<D>("srt", Key::Shape::one_or_list, srt_server_table(),
                 "SRT for players and encoders; a map or a list of maps",
                 [](Report& report, const Value& value, D& out) {
                   for (const Value* item : one_or_list(value)) {
                     read_table(report, *item, srt_server_table(), out.srt.emplace_back());
                   }
                 }),
       tables<D>("rtmps", Key::Shape::one_or_list, rtmps_server_table(),
                 "RTMP over TLS for players and encoders; a map or a list of maps",
                 [](Report& report, const Value& value, D& out) {
                   for (const Value* item : one_or_list(value)) {
                     read_table(report, *item, rtmps_server_table(), out.rtmps.emplace_back());
                   }
                 }),
       refused<D>("https")}};
  return kTable;
}

const Table<WebhookDraft>& webhook_table() {
  using D = WebhookDraft;
  static const Table<D> kTable{
      "alarms.webhook",
      {required(text<D>("url", &D::url, check_webhook_url, "",
                        "where each alarm is posted to as JSON, when it is raised, acknowledged and over")),
       text<D>(
           "secret_file", [](D& d) -> Located<std::string>& { return d.secret.file; }, check_file, "",
           "file that holds the secret of the signature (HMAC-SHA256), relative to this file")}};
  return kTable;
}

const Table<NodeDraft>& node_alarms_table() {
  using D = NodeDraft;
  static const Table<D> kTable{"alarms",
                               {tables<D>("webhook", Key::Shape::one, webhook_table(), "delivery by HTTP",
                                          [](Report& report, const Value& value, D& out) {
                                            read_table(report, value, webhook_table(), out.webhook.emplace());
                                          }),
                                refused<D>("snmp")}};
  return kTable;
}

void read_channel_files(Report& report, const Value& value, NodeDraft& out) {
  for (const Value* item : one_or_list(value)) {
    const auto name = parse_text(*item);
    if (!name || name->empty()) {
      report.error(item->place, "channels must name a file, a list of files or a glob");
    } else {
      out.channel_files.push_back({*name, item->place, true});
    }
  }
  if (out.channel_files.empty() && value.is_list() && value.items.empty()) {
    report.error(value.place, "channels names no file");
  }
}

}  // namespace

const Table<NodeDraft>& node_table() {
  using D = NodeDraft;
  static const Table<D> kTable{
      "the node file",
      {text<D>(
           "node", [](D& d) -> std::string& { return d.node.node; }, check_node_name, "",
           "the gateway's name in logs, metrics and alarms; default: the host's name"),
       text<D>(
           "run_dir", [](D& d) -> std::string& { return d.node.run_dir; }, check_absolute_path,
           "/run/headgate", "control socket, shared memory, media segments"),
       text<D>(
           "data_dir", [](D& d) -> std::string& { return d.node.data_dir; }, check_absolute_path,
           "/var/lib/headgate", "applied maps"),
       tables<D>("log", Key::Shape::one, log_table(), "logging",
                 [](Report& report, const Value& value, D& out) {
                   LogDraft log;
                   read_table(report, value, log_table(), log);
                   out.node.log_level = log.level;
                   out.node.log_format = log.format;
                 }),
       tables<D>("interfaces", Key::Shape::named, interface_table(),
                 "where multicast enters and leaves, by name", read_interfaces),
       tables<D>("fastpath", Key::Shape::one, fastpath_table(), "the process that moves packets",
                 [](Report& report, const Value& value, D& out) {
                   read_table(report, value, fastpath_table(), out);
                 }),
       tables<D>("servers", Key::Shape::one, servers_table(), "leave one out and it is not started",
                 [](Report& report, const Value& value, D& out) {
                   ServersDraft servers;
                   read_table(report, value, servers_table(), servers);
                   out.http = std::move(servers.http);
                   out.rtmp = std::move(servers.rtmp);
                   out.rtmps = std::move(servers.rtmps);
                   out.srt = std::move(servers.srt);
                   out.admin = std::move(servers.admin);
                 }),
       required(custom<D>(
           "channels",
           R"({"anyOf":[{"type":"string"},{"type":"array","items":{"type":"string"},"minItems":1}]})", "",
           "a file, a list of files or a glob, relative to this file", read_channel_files)),
       tables<D>("alarms", Key::Shape::one, node_alarms_table(), "where alarms are sent to",
                 [](Report& report, const Value& value, D& out) {
                   read_table(report, value, node_alarms_table(), out);
                 })}};
  return kTable;
}

}  // namespace headgate::config
