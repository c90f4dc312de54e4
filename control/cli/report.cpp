#include "control/cli/report.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "control/cli/columns.h"
#include "control/cli/render.h"
#include "control/cli/report_cues.h"
#include "control/cli/report_delivery.h"
#include "control/cli/report_si.h"
#include "control/cli/report_tr101290.h"
#include "control/cli/report_tstd.h"

namespace headgate::control {
namespace {

using nlohmann::json;

// PIDs with fewer packets that no table names: damage in a file makes hundreds of them.
constexpr std::uint64_t kHardlyAny = 3;
constexpr std::size_t kFoldFrom = 4;

json text_or_null(const std::string& text) { return text.empty() ? json() : json(text); }

std::string utc(std::int64_t unix_ns) {
  const auto seconds = static_cast<std::time_t>(unix_ns / 1'000'000'000);
  std::tm parts{};
  std::array<char, 32> text{};
  ::gmtime_r(&seconds, &parts);
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &parts);
  return text.data();
}

std::string heading(const std::string& source, const ProbeContext& context) {
  std::string text = fmt::format("{}\nprobed {} on {} by headgate {}\n", source, utc(context.unix_ns),
                                 context.host, context.version);
  if (!context.gateway.is_object()) return text;
  const json& gateway = context.gateway;
  const auto vlan = gateway.value("vlan", 0U);
  text += fmt::format("as the running gateway takes it in: channel {}, input {}, interface {}{}\n",
                      gateway.value("channel", ""), gateway.value("input", 0U),
                      gateway.value("interface", ""), vlan == 0 ? "" : fmt::format(" VLAN {}", vlan));
  return context.note.empty() ? text : text + "! " + context.note + "\n";
}

void add_context(json& result, const ProbeContext& context) {
  result["unix_ns"] = context.unix_ns;
  result["host"] = context.host;
  result["version"] = context.version;
  if (context.gateway.is_object()) result["gateway"] = context.gateway;
  if (!context.note.empty()) result["note"] = context.note;
}

std::string drops_text(const json& drops) {
  std::string text;
  for (const json& drop : drops)
    text += fmt::format("! dropped meanwhile: {} {} ({})\n", drop.value("count", std::uint64_t{0}),
                        drop.value("reason", ""), drop.value("sentence", ""));
  return text;
}

// No interval was measured: a single PCR, or jumps only.
bool has_intervals(const mpegts::PcrInfo& pcr) { return pcr.interval_avg_ms > 0; }

json codec_json(const mpegts::StreamInfo& stream) {
  if (!stream.codec) return nullptr;
  const mpegts::CodecDetails& codec = *stream.codec;
  return {{"codec", codec.codec},
          {"width", codec.width},
          {"height", codec.height},
          {"frame_rate_num", codec.frame_rate_num},
          {"frame_rate_den", codec.frame_rate_den},
          {"interlaced", codec.interlaced},
          {"sample_rate", codec.sample_rate},
          {"channels", codec.channels}};
}

json services_json(const mpegts::StreamReport& report) {
  json result = json::array();
  for (const mpegts::ServiceInfo& service : report.services) {
    json streams = json::array();
    for (const mpegts::StreamInfo& stream : service.streams)
      streams.push_back({{"pid", stream.pid.value},
                         {"stream_type", stream.stream_type},
                         {"kind", mpegts::to_string(stream.kind)},
                         {"language", stream.language},
                         {"present", stream.present},
                         {"scrambled", stream.scrambled},
                         {"codec", codec_json(stream)}});
    result.push_back({{"program_number", service.program_number},
                      {"name", text_or_null(service.name)},
                      {"provider", text_or_null(service.provider)},
                      {"service_type", service.service_type},
                      {"free_ca_mode", service.free_ca_mode},
                      {"lcn", service.lcn ? json(*service.lcn) : json()},
                      {"virtual_channel", text_or_null(service.virtual_channel)},
                      {"ca", ca_json(service.ca)},
                      {"pmt_pid", service.pmt_pid.value},
                      {"has_pmt", service.has_pmt},
                      {"pcr_pid", service.pcr_pid.value},
                      {"bitrate_bps", service.bitrate},
                      {"streams", streams}});
  }
  return result;
}

json pids_json(const mpegts::StreamReport& report) {
  json result = json::array();
  for (const mpegts::PidInfo& pid : report.pids) {
    json pcr = nullptr;
    if (pid.pcr) {
      pcr = {{"count", pid.pcr->count},
             {"interval_max_ms", nullptr},
             {"interval_avg_ms", nullptr},
             {"over_40ms", pid.pcr->over_40ms},
             {"over_100ms", pid.pcr->over_100ms},
             {"discontinuities", pid.pcr->discontinuities},
             {"signalled_discontinuities", pid.pcr->signalled_discontinuities},
             {"wraps", pid.pcr->wraps},
             {"accuracy", accuracy_json(*pid.pcr)},
             {"jitter_ms", nullptr}};
      if (has_intervals(*pid.pcr)) {
        pcr["interval_max_ms"] = pid.pcr->interval_max_ms;
        pcr["interval_avg_ms"] = pid.pcr->interval_avg_ms;
      }
      if (pid.pcr->jitter_ms) pcr["jitter_ms"] = *pid.pcr->jitter_ms;
    }
    result.push_back({{"pid", pid.pid.value},
                      {"label", pid.label},
                      {"packets", pid.packets},
                      {"cc_errors", pid.cc_errors},
                      {"duplicates", pid.duplicates},
                      {"transport_errors", pid.transport_errors},
                      {"scrambled", pid.scrambled},
                      {"bitrate_bps", pid.bitrate},
                      {"tstd", tstd_json(pid)},
                      {"pcr", pcr}});
  }
  return result;
}

std::string describe(const mpegts::StreamInfo& stream) {
  std::string text;
  if (stream.codec) {
    const mpegts::CodecDetails& codec = *stream.codec;
    text += codec.codec;
    if (codec.width != 0)
      text += fmt::format(" {}x{}{}", codec.width, codec.height, codec.interlaced ? "i" : "p");
    if (codec.frame_rate_den != 0)
      text += fmt::format(" {:.5g} fps", static_cast<double>(codec.frame_rate_num) / codec.frame_rate_den);
    if (codec.sample_rate != 0) text += fmt::format(" {} Hz", codec.sample_rate);
    if (codec.channels != 0) text += fmt::format(" {} ch", codec.channels);
  }
  if (!stream.language.empty()) text += (text.empty() ? "" : " ") + stream.language;
  if (stream.scrambled) text += " SCRAMBLED";
  if (!stream.present) text += " ABSENT";
  return text;
}

std::string gateway_stream_line(const json& stream) {
  std::string text = fmt::format("  0x{:04x}  type 0x{:02x}  {:<16}", stream.value("pid", 0U),
                                 stream.value("stream_type", 0U), stream.value("kind", ""));
  if (const json& codec = stream.at("codec"); codec.is_object()) {
    text += " " + codec.value("codec", "");
    if (codec.value("width", 0U) != 0)
      text += fmt::format(" {}x{}{}", codec.value("width", 0U), codec.value("height", 0U),
                          codec.value("interlaced", false) ? "i" : "p");
    if (codec.contains("frame_rate")) text += fmt::format(" {:.5g} fps", codec.value("frame_rate", 0.0));
    if (codec.value("sample_rate", 0U) != 0) text += fmt::format(" {} Hz", codec.value("sample_rate", 0U));
    if (codec.value("channels", 0U) != 0) text += fmt::format(" {} ch", codec.value("channels", 0U));
  }
  if (const auto language = stream.value("language", ""); !language.empty()) text += " " + language;
  if (stream.value("scrambled", false)) text += " SCRAMBLED";
  if (!stream.value("present", true)) text += " ABSENT";
  return text + "\n";
}

std::string services_text(const mpegts::StreamReport& report) {
  std::string text;
  for (const mpegts::ServiceInfo& service : report.services) {
    text += fmt::format(
        "Service {}  {}{}{}{}\n", service.program_number, service.name.empty() ? "-" : service.name,
        service.provider.empty() ? "" : " / " + service.provider,
        (service.lcn ? fmt::format("  LCN {}{}", *service.lcn, service.lcn_visible ? "" : " hidden") : "") +
            (service.virtual_channel.empty() ? "" : "  channel " + service.virtual_channel) +
            (service.free_ca_mode ? "  scrambled by SDT" : ""),
        service.bitrate > 0 ? "  " + human_bitrate(service.bitrate) + " bit/s" : "");
    if (!service.has_pmt) {
      text += fmt::format("  no PMT came on PID 0x{:04x}\n", service.pmt_pid.value);
      continue;
    }
    text += fmt::format("  PMT 0x{:04x}  PCR 0x{:04x}\n", service.pmt_pid.value, service.pcr_pid.value);
    if (!service.ca.empty()) text += wrapped("  CA ", ca_text(service.ca), 5);
    for (const mpegts::StreamInfo& stream : service.streams)
      text += fmt::format("  0x{:04x}  type 0x{:02x}  {:<16} {}\n", stream.pid.value, stream.stream_type,
                          mpegts::to_string(stream.kind), describe(stream));
  }
  if (report.services.empty()) text += "No service: no PAT came\n";
  return text;
}

bool hardly_there(const mpegts::PidInfo& pid) { return pid.packets < kHardlyAny && pid.label.empty(); }

std::string pids_text(const mpegts::StreamReport& report, bool all) {
  std::string text = "PID     WHAT                 BITRATE    PACKETS  CC ERR   TEI  SCRAMBLED\n";
  const auto ghosts =
      static_cast<std::size_t>(std::count_if(report.pids.begin(), report.pids.end(), hardly_there));
  const bool fold = !all && ghosts >= kFoldFrom;
  for (const mpegts::PidInfo& pid : report.pids) {
    if (fold && hardly_there(pid)) continue;
    text += fmt::format("0x{:04x}  {:<18}  {:>8}  {:>9}  {:>6}  {:>4}  {:>9}\n", pid.pid.value, pid.label,
                        human_bitrate(pid.bitrate), pid.packets, pid.cc_errors, pid.transport_errors,
                        pid.scrambled);
  }
  if (fold)
    text += fmt::format("and {} PIDs with fewer than {} packets that no table names; --all shows them\n",
                        ghosts, kHardlyAny);
  return text;
}

std::string pcr_text(const mpegts::StreamReport& report) {
  std::string text;
  for (const mpegts::PidInfo& pid : report.pids) {
    if (!pid.pcr) continue;
    text += fmt::format("PCR 0x{:04x}  ", pid.pid.value);
    if (has_intervals(*pid.pcr))
      text += fmt::format("every {:.1f} ms on average, {:.1f} ms at most; over 40 ms {}, over 100 ms {}",
                          pid.pcr->interval_avg_ms, pid.pcr->interval_max_ms, pid.pcr->over_40ms,
                          pid.pcr->over_100ms);
    else
      text += fmt::format("{} in all, no interval to measure", pid.pcr->count);
    text += fmt::format("; jumps {} ({} signalled)", pid.pcr->discontinuities,
                        pid.pcr->signalled_discontinuities);
    if (pid.pcr->wraps != 0) text += fmt::format("; wraps {}", pid.pcr->wraps);
    if (pid.pcr->jitter_ms)
      text += fmt::format("; arrival jitter {:.2f} ms peak to peak", *pid.pcr->jitter_ms);
    text += accuracy_text(*pid.pcr);
    text += "\n";
  }
  return text;
}

std::string tables_text(const mpegts::StreamReport& report) {
  std::string text;
  for (const mpegts::TableInfo& table : report.tables)
    text += fmt::format("{}{} 0x{:04x} {}x", text.empty() ? "Tables  " : ", ", table.name, table.pid.value,
                        table.count);
  return text.empty() ? "" : text + "\n";
}

// What an input of the gateway would not take as it is here.
std::string form_text(const mpegts::StreamReport& report, const Reception& reception) {
  std::string text;
  if (!reception.live && report.packet_size != mpegts::kPacketSize)
    text += fmt::format(
        "! packets of {} bytes: datagrams of such are dropped by the gateway ({}); headgate send makes them "
        "188\n",
        report.packet_size, report.packet_size == 204 ? "packet_size_204" : "not_ts_size");
  if (reception.packets_204 != 0)
    text += fmt::format(
        "! {} datagrams of 204-byte packets: the gateway drops them (packet_size_204); set the sender to "
        "188\n",
        reception.packets_204);
  if (reception.over_seven != 0)
    text += fmt::format(
        "! {} datagrams of more than 7 packets: the gateway drops them (not_ts_size); set the sender to 7\n",
        reception.over_seven);
  return text;
}

}  // namespace

json report_json(const std::string& source, const mpegts::StreamReport& report, const Reception& reception,
                 const ProbeContext& context) {
  json tables = json::array();
  for (const mpegts::TableInfo& table : report.tables)
    tables.push_back({{"pid", table.pid.value},
                      {"table_id", table.table_id},
                      {"name", table.name},
                      {"count", table.count}});
  json result = {{"source", source},
                 {"live", reception.live},
                 {"packet_size", report.packet_size},
                 {"packets", report.packets},
                 {"bytes", report.bytes},
                 {"duration_s", report.duration_s},
                 {"bitrate_bps", report.bitrate},
                 {"skipped_bytes", report.skipped_bytes},
                 {"sync_losses", report.sync_losses},
                 {"sync_byte_errors", report.sync_byte_errors},
                 {"transport_errors", report.transport_errors},
                 {"cc_errors", report.cc_errors},
                 {"duplicates", report.duplicates},
                 {"scrambled", report.scrambled},
                 {"null_packets", report.null_packets},
                 {"crc_errors", report.crc_errors},
                 {"discontinuity_indicators", report.discontinuity_indicators},
                 {"transport_stream_id", nullptr},
                 {"original_network_id", nullptr},
                 {"services", services_json(report)},
                 {"pids", pids_json(report)},
                 {"tables", tables},
                 {"si", si_json(report)},
                 {"cues", cues_json(report)},
                 {"cues_beyond", report.cues_beyond},
                 {"cues_damaged", report.cues_damaged},
                 {"tr101290", tr101290_json(report)},
                 {"tr101290_limits", tr101290_limits_json()}};
  add_context(result, context);
  if (report.transport_stream_id) result["transport_stream_id"] = *report.transport_stream_id;
  if (report.original_network_id) result["original_network_id"] = *report.original_network_id;
  if (reception.live) {
    result["datagrams"] = reception.datagrams;
    result["datagrams_not_ts"] = reception.not_ts;
    result["rtp_lost"] = reception.rtp_lost;
    result["rtp_reordered"] = reception.rtp_reordered;
    result["kernel_drops"] = reception.kernel_drops;
    result["drops"] = reception.drops;
    result["media_lost"] = media_lost(source, report, reception);
    result["delivery"] = delivery_json(report);
  }
  return result;
}

std::string render_gateway_probe(const json& answer, const ProbeContext& context, const std::string& why) {
  const json& report = answer.at("report");
  const auto number = [](const json& from, const char* name) { return from.value(name, std::uint64_t{0}); };
  std::string text = heading(report.value("source", ""), context);
  text += fmt::format("{} packets, {:.1f} s, {} bit/s\n", number(report, "packets"),
                      report.value("duration_s", 0.0), human_bitrate(report.value("bitrate_bps", 0.0)));
  text += fmt::format("CC errors {}, transport errors {}, scrambled {}, duplicates {}, null {}, no sync {}\n",
                      number(report, "cc_errors"), number(report, "transport_errors"),
                      number(report, "scrambled"), number(report, "duplicates"),
                      number(report, "null_packets"), number(report, "sync_byte_errors"));
  text += fmt::format("{} datagrams; RTP lost {}, out of order {}\n", number(report, "datagrams"),
                      number(report, "rtp_lost"), number(report, "rtp_reordered"));
  text += drops_text(answer.value("drops", json::array())) + "\n";
  for (const json& service : report.at("services")) {
    text += fmt::format("Service {}\n", number(service, "program_number"));
    for (const json& stream : service.at("streams")) text += gateway_stream_line(stream);
  }
  if (report.at("services").empty())
    text += "No service known: the bridge reads tables of channels that serve HLS only\n";
  text += "\nPID     WHAT                 BITRATE    PACKETS  CC ERR  SCRAMBLED\n";
  for (const json& pid : report.at("pids"))
    text += fmt::format("0x{:04x}  {:<18}  {:>8}  {:>9}  {:>6}  {:>9}\n", number(pid, "pid"),
                        pid.value("label", ""), human_bitrate(pid.value("bitrate_bps", 0.0)),
                        number(pid, "packets"), number(pid, "cc_errors"), number(pid, "scrambled"));
  if (const auto beyond = number(report, "pids_beyond"); beyond != 0)
    text += fmt::format("and {} PIDs more\n", beyond);
  if (const json& pcr = report.at("pcr"); pcr.is_object()) {
    text += fmt::format("\nPCR  {} in all", number(pcr, "count"));
    if (pcr.at("interval_max_ms").is_number())
      text += fmt::format(", {:.1f} ms apart at most", pcr["interval_max_ms"].get<double>());
    text += fmt::format("; jumps {}\n", number(pcr, "discontinuities"));
  }
  return text +
         fmt::format("No tables and no TR 101 290 counts: the packets themselves can't be read: {}\n", why);
}

std::string render_report(const std::string& source, const mpegts::StreamReport& report,
                          const Reception& reception, const ProbeContext& context) {
  std::string text = heading(source, context);
  text += fmt::format("{} packets of {} bytes, {:.1f} s, {} bit/s\n", report.packets, report.packet_size,
                      report.duration_s, human_bitrate(report.bitrate));
  if (report.transport_stream_id) {
    text += fmt::format("transport_stream_id {}", *report.transport_stream_id);
    if (report.original_network_id)
      text += fmt::format(", original_network_id {}", *report.original_network_id);
    text += "\n";
  }
  text +=
      fmt::format("CC errors {}, transport errors {}, scrambled {}, duplicates {}, null {}, CRC errors {}\n",
                  report.cc_errors, report.transport_errors, report.scrambled, report.duplicates,
                  report.null_packets, report.crc_errors);
  if (report.skipped_bytes != 0 || report.sync_losses != 0)
    text += fmt::format("sync lost {} times, {} bytes skipped\n", report.sync_losses, report.skipped_bytes);
  if (reception.live) {
    text += fmt::format("{} datagrams, {} of them not transport packets; RTP lost {}, out of order {}\n",
                        reception.datagrams, reception.not_ts, reception.rtp_lost, reception.rtp_reordered);
    text += delivery_text(report, media_lost(source, report, reception));
    if (reception.kernel_drops != 0)
      text += fmt::format("! this host dropped {} datagrams: it was too slow, errors may be its own\n",
                          reception.kernel_drops);
    text += drops_text(reception.drops);
  }
  text += form_text(report, reception);
  const std::string tables = si_text(report);
  return text + "\n" + services_text(report) + (tables.empty() ? "" : "\n" + tables) + "\n" +
         pids_text(report, context.all_pids) + "\n" + pcr_text(report) + tables_text(report) +
         cues_text(report) + "\n" + tstd_text(report) + tr101290_text(report);
}

}  // namespace headgate::control
