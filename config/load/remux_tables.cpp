// How a channel's stream leaves: the table of `remux`, and its map of PIDs.
#include <algorithm>
#include <array>

#include "config/load/draft.h"

namespace headgate::config {
namespace {

using std::chrono::milliseconds;

// Table 2-3 of ISO/IEC 13818-1 and table 1 of EN 300 468: below are the tables, 0x1FFF is null packets.
constexpr std::uint16_t kFirstPid = 0x20, kLastPid = 0x1FFE;

// What may follow a role, as mpegts/remux/track_role.h reads it.
enum class Follows { nothing, number, language };
struct Role {
  const char* name;
  Follows follows;
};
constexpr std::array<Role, 8> kRoles{{{"video", Follows::number},
                                      {"audio", Follows::language},
                                      {"subtitles", Follows::language},
                                      {"teletext", Follows::language},
                                      {"scte35", Follows::number},
                                      {"data", Follows::number},
                                      {"pcr", Follows::nothing},
                                      {"pmt", Follows::nothing}}};
constexpr const char* kPidsSchema =
    R"({"type":"object","propertyNames":{"pattern":"^(0[xX][0-9a-fA-F]+|[0-9]+|pcr|pmt|(video|scte35|data)(\\.[1-9][0-9]?)?|(audio|subtitles|teletext)(\\.[a-z]{3})?(\\.[1-9][0-9]?)?)$"},"additionalProperties":{"anyOf":[{"type":"integer","minimum":32,"maximum":8190},{"const":"drop"}]}})";

bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= 2 && text[0] >= '1' && text[0] <= '9' &&
         (text.size() == 1 || (text[1] >= '0' && text[1] <= '9'));
}

bool is_language(std::string_view text) {
  return text.size() == 3 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

// "" where it is one.
std::string role_error(std::string_view text) {
  const std::size_t dot = text.find('.');
  const std::string_view name = text.substr(0, dot);
  const auto role = std::find_if(kRoles.begin(), kRoles.end(), [&](const Role& r) { return name == r.name; });
  if (role == kRoles.end()) {
    std::vector<std::string> names;
    for (const Role& known : kRoles) names.emplace_back(known.name);
    return fmt::format("'{}' is neither a PID nor a role like video or audio.eng{}", shown(text),
                       suggestion(name, names));
  }
  if (dot == std::string_view::npos) return "";
  if (role->follows == Follows::nothing) return fmt::format("nothing may follow '{}'", name);
  std::string_view rest = text.substr(dot + 1);
  if (role->follows == Follows::language && is_language(rest.substr(0, rest.find('.')))) {
    if (rest.size() == 3) return "";
    rest = rest.substr(4);
  }
  if (is_number(rest)) return "";
  return role->follows == Follows::language
             ? fmt::format(
                   "'{}': behind {} stand a language of three small letters, a number from 1 to 99, or "
                   "both, as in {}.eng.2",
                   shown(text), name, name)
             : fmt::format("'{}': behind {} stands a number from 1 to 99, as in {}.2", shown(text), name,
                           name);
}

bool is_pid(std::uint64_t number) { return number >= kFirstPid && number <= kLastPid; }

bool same_source(const PidRule& a, const PidRule& b) { return a.role == b.role && a.pid == b.pid; }

bool read_source(Report& report, const Entry& entry, PidRule& out) {
  const auto wrong = [&](const std::string& message) {
    report.error(entry.place, "pids: " + message);
    return false;
  };
  const bool digit = !entry.key.empty() && entry.key[0] >= '0' && entry.key[0] <= '9';
  if (!digit) {
    if (const std::string error = role_error(entry.key); !error.empty()) return wrong(error);
    out.role = entry.key;
    return true;
  }
  const auto number = parse_number(entry.key);
  if (!number) return wrong(number.error());
  if (!is_pid(*number)) return wrong(fmt::format("a PID must be 0x20 to 0x1ffe, not {}", shown(entry.key)));
  out.pid = static_cast<std::uint16_t>(*number);
  return true;
}

bool read_target(Report& report, const Value& value, PidRule& out) {
  if (value.is_scalar() && value.text == "drop") {
    if (out.role != "pmt" && out.role != "pcr") return true;
    report.error(value.place, fmt::format("pids: without {} nothing could be received: it can't be dropped",
                                          out.role == "pmt" ? "its PMT" : "a PCR"));
    return false;
  }
  const auto number =
      value.is_scalar() && !value.quoted ? parse_number(value.text) : Parsed<std::uint64_t>(0);
  if (!number || !is_pid(*number)) {
    report.error(value.place, fmt::format("pids: must be a PID from 0x20 to 0x1ffe, or drop, not {}",
                                          value.is_scalar() ? shown(value.text) : kind_name(value)));
    return false;
  }
  out.to = static_cast<std::uint16_t>(*number);
  return true;
}

void read_pids(Report& report, const Value& value, RemuxDraft& out) {
  if (!value.is_map()) {
    report.error(value.place, fmt::format("pids must be a map like {{ video: 0x100, 0x1ff0: drop }}, not {}",
                                          kind_name(value)));
    return;
  }
  std::vector<PidRule> here;
  for (const Entry& entry : value.entries) {
    PidRuleDraft draft{{}, entry.place, entry.value->place};
    if (!read_source(report, entry, draft.rule) || !read_target(report, *entry.value, draft.rule)) continue;
    const auto same = [&](const PidRule& other) { return same_source(other, draft.rule); };
    if (std::any_of(here.begin(), here.end(), same)) {
      report.error(entry.place, fmt::format("pids: PID 0x{:x} stands here twice", draft.rule.pid));
      continue;
    }
    here.push_back(draft.rule);
    out.pids.push_back(std::move(draft));
  }
}

std::string source_words(const PidRule& rule) {
  return rule.role.empty() ? fmt::format("PID 0x{:x}", rule.pid) : rule.role;
}

// One of two may stand in `defaults`.
void check_targets(Report& report, const std::vector<PidRuleDraft>& pids) {
  for (std::size_t i = 0; i < pids.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      if (!pids[i].rule.to || pids[k].rule.to != pids[i].rule.to) continue;
      const bool later = pids[i].to.line >= pids[k].to.line;
      const PidRuleDraft &at = later ? pids[i] : pids[k], &other = later ? pids[k] : pids[i];
      report.error(at.to, fmt::format("pids: {} goes to 0x{:x} already: two can't leave under one PID",
                                      source_words(other.rule), *other.rule.to));
      break;
    }
  }
}

}  // namespace

const Table<RemuxDraft>& remux_table() {
  using D = RemuxDraft;
  // Less than a poor channel, more than a link of the time carries.
  constexpr std::uint64_t kMinRate = 100'000, kMaxRate = 200'000'000;
  static const Table<D> kTable{
      "remux",
      {scalar<D>(
           "bitrate", R"({"type":"string","pattern":"^[0-9.]+(kbps|Mbps|Gbps)$"})", &D::bitrate,
           [](const Value& value) { return parse_bitrate(value, kMinRate, kMaxRate); }, "",
           "constant rate of what leaves, filled up with null packets; counts 188-byte packets; 100kbps to "
           "200Mbps"),
       duration<D>("buffer", &D::buffer, milliseconds(0), milliseconds(60'000), "",
                   "between arrival and departure of each input; default: 1s for rtmp, http, HLS, file and "
                   "published inputs, 0 for udp, rtp and srt, with bitrate at least 200ms"),
       integer<D>("service_id", &D::service_id, 1, 65535, "",
                  "of the service that leaves; default: the source's, 1 where RTMP brings it"),
       text<D>("provider", &D::provider, check_title, "", "service_provider_name; default: the source's"),
       choice<D>("ca", &D::ca,
                 std::vector<std::pair<std::string, CaHandling>>{
                     {"ecm", CaHandling::ecm}, {"keep", CaHandling::keep}, {"drop", CaHandling::drop}},
                 "",
                 "conditional access: ecm keeps the ECM of the service, keep its CAT and EMM too, drop "
                 "neither; default: "
                 "ecm where a service is cut out"),
       custom<D>("pids", kPidsSchema, "",
                 "source PID, or role like video, audio.eng, pmt, to the PID under which it leaves, or drop",
                 read_pids)}};
  return kTable;
}

void add_remux(Report& report, const RemuxDraft& draft, Channel& channel) {
  Remux& remux = channel.remux;
  if (draft.service_id.set) remux.service_id = draft.service_id.value;
  remux.provider = draft.provider.value;
  remux.ca = draft.ca;
  check_targets(report, draft.pids);
  for (const PidRuleDraft& pid : draft.pids) remux.pids.push_back(pid.rule);
  remux.bitrate = draft.bitrate.value;
  if (!draft.buffer.set) return;
  remux.buffer = draft.buffer.value;
  if (draft.bitrate.set && draft.buffer.value < kConstantRateBuffer) {
    report.error(
        draft.buffer.place,
        fmt::format("buffer must be at least {} where bitrate is set: a constant rate evens out what "
                    "comes",
                    format_duration(kConstantRateBuffer)));
  }
}

}  // namespace headgate::config
