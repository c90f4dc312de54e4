#include "mpegts/remux/pid_map.h"

#include <algorithm>
#include <utility>

#include "mpegts/psi/descriptors.h"

namespace headgate::mpegts {
namespace {

constexpr std::uint16_t kLastFreePid = 0x1FFA;  // below the PSIP's PID, ATSC A/65
constexpr std::size_t kMostKnown = 128;         // a source that changes its PMT for ever
constexpr std::uint8_t kCaTag = 0x09;           // 2.6.16
constexpr std::uint8_t kScramblingTag = 0x65;   // scrambling_descriptor, EN 300 468 6.2.32

const PidMap::Route* find_route(const std::vector<PidMap::Route>& routes, Pid from) noexcept {
  const auto at = std::find_if(routes.begin(), routes.end(), [&](const auto& r) { return r.from == from; });
  return at == routes.end() ? nullptr : &*at;
}

bool speaks(const PmtStream& stream, const std::string& language) {
  const auto all = role_languages(stream);
  return std::find(all.begin(), all.end(), language) != all.end();
}

}  // namespace

PidMap::PidMap(RemuxOptions options) : options_(std::move(options)) { forget(); }

void PidMap::forget() {
  taken_.reset();
  for (std::size_t pid = 0; pid < kFirstMapPid.value; ++pid) taken_.set(pid);
  taken_.set(kNullPid.value);
  for (const PidRule& rule : options_.pids) {
    if (rule.to) taken_.set(rule.to->value);
  }
  pmt_to_.reset();
  tracks_.clear();
  others_.clear();
}

const PidRule* PidMap::rule_of(Pid from) const noexcept {
  for (const PidRule& rule : options_.pids) {
    const Pid* pid = std::get_if<Pid>(&rule.from);
    if (pid != nullptr && *pid == from) return &rule;
  }
  return nullptr;
}

const PidRule* PidMap::rule_of(RoleKind kind) const noexcept {
  for (const PidRule& rule : options_.pids) {
    const TrackRole* role = std::get_if<TrackRole>(&rule.from);
    if (role != nullptr && role->kind == kind) return &rule;
  }
  return nullptr;
}

Pid PidMap::place(Pid wanted) {
  Pid to = wanted;
  for (std::uint16_t next = kLastFreePid;
       (taken_[to.value] || (to != wanted && sources_[to.value])) && next >= kFirstMapPid.value; --next)
    to = Pid{next};
  taken_.set(to.value);
  return to;
}

Pid PidMap::pmt_pid(Pid source) {
  if (pmt_to_) return *pmt_to_;
  const PidRule* by_pid = rule_of(source);
  const PidRule* by_role = rule_of(RoleKind::pmt);
  if (by_pid != nullptr && by_pid->to) {
    pmt_to_ = by_pid->to;
  } else {
    pmt_to_ = by_role != nullptr && by_role->to ? *by_role->to : place(source);
  }
  return *pmt_to_;
}

void PidMap::apply(const PidRule& rule, const TrackRole& role, const Pmt& pmt,
                   std::vector<Decision>& out) const {
  unsigned count = 0;
  for (std::size_t i = 0; i < pmt.streams.size(); ++i) {
    const PmtStream& stream = pmt.streams[i];
    if (role_kind(stream) != role.kind || (!role.language.empty() && !speaks(stream, role.language)))
      continue;
    ++count;
    if (out[i].made || (role.ordinal != 0 && role.ordinal != count)) continue;
    out[i] = {true, rule.to};
    if (rule.to) return;
  }
}

std::vector<PidMap::Decision> PidMap::decide(const Pmt& pmt) {
  std::vector<Decision> out(pmt.streams.size());
  for (std::size_t i = 0; i < pmt.streams.size(); ++i) {
    if (const PidRule* rule = rule_of(pmt.streams[i].pid)) out[i] = {true, rule->to};
  }
  for (const auto& [language, ordinal] :
       {std::pair{true, true}, std::pair{false, true}, std::pair{true, false}, std::pair{false, false}}) {
    for (const PidRule& rule : options_.pids) {
      const TrackRole* role = std::get_if<TrackRole>(&rule.from);
      if (role != nullptr && role->language.empty() != language && (role->ordinal != 0) == ordinal)
        apply(rule, *role, pmt, out);
    }
  }
  return out;
}

// What left before leaves as it did.
void PidMap::remember(const Pmt& pmt, std::vector<Decision>& decisions) {
  if (tracks_.size() > kMostKnown || others_.size() > kMostKnown) {
    const Pid pmt_to = pmt_to_.value_or(kNullPid);
    forget();
    pmt_to_ = pmt_to;
    taken_.set(pmt_to.value);
  }
  // What has its place by its PID keeps that, too, where it comes back under another.
  for (std::size_t i = 0; i < pmt.streams.size(); ++i) {
    const PmtStream& stream = pmt.streams[i];
    if (!decisions[i].made || !decisions[i].to || rule_of(stream.pid) == nullptr) continue;
    std::erase_if(tracks_, [&](const Known& k) { return k.to == *decisions[i].to; });
    tracks_.push_back({role_kind(stream), role_languages(stream), stream.pid, *decisions[i].to, true});
  }
  for (Known& known : tracks_) {
    known.used = std::any_of(decisions.begin(), decisions.end(),
                             [&](const Decision& d) { return d.made && d.to == known.to; });
  }
  const auto pass = [&](auto matches) {
    for (std::size_t i = 0; i < pmt.streams.size(); ++i) {
      if (decisions[i].made) continue;
      const PmtStream& stream = pmt.streams[i];
      const auto known = std::find_if(tracks_.begin(), tracks_.end(), [&](const Known& k) {
        return !k.used && k.kind == role_kind(stream) && matches(k, stream);
      });
      if (known == tracks_.end()) continue;
      known->used = true;
      known->from = stream.pid;
      known->languages = role_languages(stream);
      decisions[i] = {true, known->to};
    }
  };
  const auto alike = [](const Known& k, const PmtStream& s) { return k.languages == role_languages(s); };
  pass([&](const Known& k, const PmtStream& s) { return k.from == s.pid && alike(k, s); });
  pass(alike);
  pass([&](const Known& k, const PmtStream& s) { return k.from == s.pid; });
}

Pid PidMap::place_track(const PmtStream& stream) {
  const Pid to = place(stream.pid);
  tracks_.push_back({role_kind(stream), role_languages(stream), stream.pid, to, true});
  return to;
}

std::optional<Pid> PidMap::place_other(Pid from, RoleKind kind) {
  if (const PidRule* rule = rule_of(from)) {
    if (rule->to || kind != RoleKind::pcr) return rule->to;
  }
  if (kind == RoleKind::pcr) {
    if (const PidRule* rule = rule_of(kind); rule != nullptr && rule->to) return rule->to;
  }
  const auto known = std::find_if(others_.begin(), others_.end(), [&](const Known& k) {
    return k.kind == kind && (k.from == from || kind == RoleKind::pcr);
  });
  if (known != others_.end()) return known->to;
  const Pid to = place(from);
  others_.push_back({kind, {}, from, to, true});
  return to;
}

// Descriptors of PIDs that are left out go with them.
void PidMap::place_ca(Descriptors& descriptors, std::vector<Route>& routes) {
  Descriptors kept;
  append_some(kept, descriptors, [&](const Descriptor& d) {
    if (options_.ca == CaHandling::drop) return d.tag != kCaTag && d.tag != kScramblingTag;
    const auto ca = as_ca(d);
    if (!ca || ca->pid < kFirstMapPid || ca->pid == kNullPid || find_route(routes, ca->pid) != nullptr)
      return true;
    const auto to = place_other(ca->pid, RoleKind::data);
    if (to) routes.push_back({ca->pid, *to});
    return to.has_value();
  });
  map_ca_pids(kept, [&](Pid from) {
    const Route* route = find_route(routes, from);
    return route != nullptr ? route->to : from;
  });
  descriptors = std::move(kept);
}

PidMap::Result PidMap::map(const Pmt& pmt, Pid pmt_source, const std::vector<Pid>& emm) {
  sources_.reset();
  sources_.set(pmt.pcr_pid.value);
  for (const PmtStream& stream : pmt.streams) sources_.set(stream.pid.value);
  const Pid pmt_to = pmt_pid(pmt_source);
  std::vector<Decision> decisions = decide(pmt);
  remember(pmt, decisions);

  Result out;
  out.pmt = pmt;
  out.pmt.streams.clear();
  const PidRule* pcr_rule = rule_of(pmt.pcr_pid);
  bool pcr_left_out = pmt.pcr_pid == pmt_source || (pcr_rule != nullptr && !pcr_rule->to);
  for (std::size_t i = 0; i < pmt.streams.size(); ++i) {
    PmtStream stream = pmt.streams[i];
    const bool possible =
        stream.pid.value >= kNitPid.value && stream.pid != kNullPid && stream.pid != pmt_source;
    const Route* same = find_route(out.routes, stream.pid);  // two of a PMT on one PID
    if (decisions[i].made && !decisions[i].to) {
      pcr_left_out = pcr_left_out || stream.pid == pmt.pcr_pid;
      continue;
    }
    if (possible) {
      const Pid to = same != nullptr ? same->to : decisions[i].made ? *decisions[i].to : place_track(stream);
      if (same == nullptr) out.routes.push_back({stream.pid, to});
      stream.pid = to;
    }
    out.pmt.streams.push_back(std::move(stream));
  }
  if (pmt.pcr_pid != kNullPid && pmt.pcr_pid.value >= kNitPid.value) {
    if (const Route* route = find_route(out.routes, pmt.pcr_pid)) {
      out.pmt.pcr_pid = route->to;
    } else {
      const PidRule* rule = rule_of(RoleKind::pcr);
      const bool with_tables = pmt.pcr_pid == pmt_source && (rule == nullptr || !rule->to);
      const Pid to = with_tables ? pmt_to : *place_other(pmt.pcr_pid, RoleKind::pcr);
      out.routes.push_back({pmt.pcr_pid, to, pcr_left_out});
      out.pmt.pcr_pid = to;
    }
  }
  place_ca(out.pmt.descriptors, out.routes);
  for (PmtStream& stream : out.pmt.streams) place_ca(stream.descriptors, out.routes);
  for (const Pid from : emm) {
    if (from < kFirstMapPid || from == kNullPid) continue;
    const Route* same = find_route(out.routes, from);
    const auto to = same != nullptr ? std::optional(same->to) : place_other(from, RoleKind::data);
    if (!to) continue;
    if (same == nullptr) out.routes.push_back({from, *to});
    out.emm.push_back({from, *to});
  }
  // What no table names passes where the map names it.
  for (const PidRule& rule : options_.pids) {
    const Pid* from = std::get_if<Pid>(&rule.from);
    if (from != nullptr && rule.to && *from != pmt_source && find_route(out.routes, *from) == nullptr)
      out.routes.push_back({*from, *rule.to});
  }
  return out;
}

}  // namespace headgate::mpegts
