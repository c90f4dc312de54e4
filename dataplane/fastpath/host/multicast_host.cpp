#include "dataplane/fastpath/host/multicast_host.h"

#include <algorithm>

namespace headgate::fastpath {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// RFC 3376 8.1, 8.2, 8.3, 8.11; RFC 2236 8.10.
constexpr unsigned kDefaultRobustness = 2;
constexpr seconds kDefaultQueryInterval{125};
constexpr seconds kDefaultResponseInterval{10};
constexpr seconds kUnsolicitedIntervalV3{1};
constexpr seconds kUnsolicitedIntervalV2{10};
constexpr seconds kFirstDoubt{1};
// A burst that every switch's control plane takes, then a frame a millisecond.
constexpr unsigned kBurst = 16;
constexpr milliseconds kFrameInterval{1};
// A hostile query with many sources for a group of ours must not grow without bound.
constexpr std::size_t kMaxQueriedSources = 1024;
constexpr std::size_t kRecordsPerTurn = 128;

void earlier(std::optional<Time>& deadline, std::optional<Time> other) {
  if (other && (!deadline || *other < *deadline)) deadline = other;
}

}  // namespace

MulticastHost::MulticastHost(IgmpSender sender, std::size_t mtu, IgmpVersionMode mode, Random random,
                             FrameSink& sink)
    : sender_(sender),
      mtu_(mtu),
      mode_(mode),
      random_(std::move(random)),
      sink_(sink),
      robustness_(kDefaultRobustness),
      querier_interval_(kDefaultQueryInterval),
      tokens_(kBurst) {
  if (mode == IgmpVersionMode::v1) counters_.version = 1;
  if (mode == IgmpVersionMode::v2) counters_.version = 2;
}

bool MulticastHost::join(Ipv4 address, std::optional<Ipv4> source, Time now) {
  if (!address.is_multicast() || address == kAllSystems) return false;
  if (source && (source->is_multicast() || source->value == 0)) return false;
  Group& group = groups_[address];
  const bool was_member = group.member();
  const bool was_exclude = group.exclude();
  const unsigned references = source ? ++group.sources[*source] : ++group.any_source;
  if (references == 1) membership_changed(group, was_member, was_exclude, source, now);
  return true;
}

bool MulticastHost::leave(Ipv4 address, std::optional<Ipv4> source, Time now) {
  const auto found = groups_.find(address);
  if (found == groups_.end()) return false;
  Group& group = found->second;
  const bool was_exclude = group.exclude();
  if (source) {
    const auto entry = group.sources.find(*source);
    if (entry == group.sources.end()) return false;
    if (--entry->second > 0) return true;
    group.sources.erase(entry);
  } else {
    if (group.any_source == 0) return false;
    if (--group.any_source > 0) return true;
  }
  group.doubtful.erase(source.value_or(Ipv4{}));
  if (group.doubtful.empty()) group.doubt_at.reset();
  membership_changed(group, true, was_exclude, source, now);
  return true;
}

void MulticastHost::doubt(Ipv4 address, std::optional<Ipv4> source, Time now) {
  const auto found = groups_.find(address);
  if (found == groups_.end()) return;
  Group& group = found->second;
  if (source ? !group.sources.contains(*source) : group.any_source == 0) return;
  if (!group.doubtful.insert(source.value_or(Ipv4{})).second) return;
  group.doubt_interval = kFirstDoubt;
  group.doubt_at = now + kFirstDoubt;
  deadline_known_ = false;
}

void MulticastHost::confirm(Ipv4 address, std::optional<Ipv4> source) {
  const auto found = groups_.find(address);
  if (found == groups_.end()) return;
  Group& group = found->second;
  group.doubtful.erase(source.value_or(Ipv4{}));
  if (group.doubtful.empty()) group.doubt_at.reset();
  deadline_known_ = false;
}

// Announces doubtful memberships as if they had just changed, once.
void MulticastHost::repeat_doubtful(Time now) {
  for (auto& [address, group] : groups_) {
    if (!group.doubt_at || *group.doubt_at > now) continue;
    if (group.exclude()) {
      group.mode_reports = std::max(group.mode_reports, 1U);
    } else if (group.mode_reports == 0) {
      for (const Ipv4 source : group.doubtful) group.source_reports.try_emplace(source, 1U);
    }
    group.plain_reports = std::max(group.plain_reports, 1U);
    if (!group.change_at || *group.change_at > now) group.change_at = now;
    group.doubt_interval =
        std::min<Time>(2 * group.doubt_interval, std::max<Time>(querier_interval_, kFirstDoubt));
    // Spread a little: a restart has joined all groups at once.
    group.doubt_at = now + group.doubt_interval - random_delay(group.doubt_interval / 8);
  }
}

// RFC 3376 5.1, with EXCLUDE always EXCLUDE({}):
//   INCLUDE (A) -> INCLUDE (B)   ALLOW (B-A), BLOCK (A-B)
//   INCLUDE (A) -> EXCLUDE ({})  TO_EX ({})
//   EXCLUDE ({}) -> INCLUDE (B)  TO_IN (B)
//   EXCLUDE ({}) -> EXCLUDE ({}) nothing
void MulticastHost::membership_changed(Group& group, bool was_member, bool was_exclude,
                                       std::optional<Ipv4> source, Time now) {
  bool changed = false;
  if (group.exclude() != was_exclude) {
    group.mode_reports = robustness_;
    group.source_reports.clear();
    changed = true;
  } else if (!group.exclude() && source) {
    group.source_reports[*source] = robustness_;
    changed = true;
  }
  if (group.member() != was_member) {
    group.plain_reports = group.member() ? robustness_ : 0;
    group.plain_leave = was_member;
    counters_.groups += was_member ? -1 : 1;
    changed = true;
  }
  if (!changed) return;
  group.announced = false;
  group.change_at = now;
  deadline_known_ = false;
}

void MulticastHost::refresh(Time now) {
  deadline_known_ = false;
  if (counters_.version == 3) {
    general_at_ = now;
    return;
  }
  for (auto& [address, group] : groups_) {
    if (group.member()) group.response_at = now;
  }
}

Time MulticastHost::random_delay(Time bound) {
  return Time(static_cast<Time::rep>(random_(static_cast<std::uint64_t>(bound.count()))));
}

void MulticastHost::on_packet(const Ipv4View& packet, Time now) {
  const auto message = parse_igmp(packet.payload);
  if (!message) return;
  deadline_known_ = false;
  if (const auto* query = std::get_if<IgmpQuery>(&*message)) {
    // RFC 3376 4.1.12: to all systems, to the group, or to an address of ours.
    const bool for_us = packet.destination == kAllSystems ||
                        (query->group.value != 0 && packet.destination == query->group) ||
                        (sender_.address.value != 0 && packet.destination == sender_.address);
    if (for_us) on_query(*query, now);
    return;
  }
  // RFC 2236 3: another host's report makes ours superfluous. Version 3 knows no suppression.
  const auto* report = std::get_if<IgmpGroupMessage>(&*message);
  if (report == nullptr || report->type == IgmpType::v2_leave || counters_.version == 3) return;
  const auto found = groups_.find(report->group);
  if (found != groups_.end()) found->second.response_at.reset();
}

void MulticastHost::on_query(const IgmpQuery& query, Time now) {
  ++counters_.queries;
  counters_.last_query = now;
  if (query.version == 3) {
    robustness_ = query.robustness != 0 ? query.robustness : kDefaultRobustness;
    if (query.querier_interval.count() != 0) querier_interval_ = query.querier_interval;
  } else if (query.group.value == 0) {
    // RFC 3376 8.12: robustness x query interval + one query response interval. General queries only (7.2.1).
    const Time until = now + robustness_ * querier_interval_ +
                       (query.version == 2 ? Time(query.max_response) : Time(kDefaultResponseInterval));
    (query.version == 1 ? v1_until_ : v2_until_) = until;
  }
  update_version(now);
  const Time delay = random_delay(query.max_response);
  if (query.group.value == 0) {
    on_general_query(delay, now);
  } else if (query.group != kAllSystems) {
    on_group_query(query, delay, now);
  }
  if (counters_.version != 3 && query.group.value == 0) {
    // RFC 2236 3: a timer of its own for each group; one that runs and ends in time stays.
    for (auto& [address, group] : groups_) {
      if (!group.member()) continue;
      const Time latest = now + query.max_response;
      if (!group.response_at || *group.response_at > latest) {
        group.response_at = now + random_delay(query.max_response);
      }
    }
  }
}

void MulticastHost::on_general_query(Time delay, Time now) {
  if (counters_.version != 3) return;
  // RFC 3376 5.2 rule 1 and 2: an answer that is due sooner will do; else this one takes its place.
  if (general_at_ && *general_at_ <= now + delay) return;
  general_at_ = now + delay;
}

void MulticastHost::on_group_query(const IgmpQuery& query, Time delay, Time now) {
  const auto found = groups_.find(query.group);
  if (found == groups_.end() || !found->second.member()) return;
  Group& group = found->second;
  const Time due = now + delay;
  if (counters_.version != 3) {
    group.queried_sources.clear();
    if (!group.response_at || *group.response_at > now + query.max_response) group.response_at = due;
    return;
  }
  if (general_at_ && *general_at_ <= due) return;  // rule 1
  const bool pending = group.response_at.has_value();
  if (!pending) {  // rule 3
    group.response_at = due;
    group.queried_sources = {query.sources.begin(), query.sources.end()};
  } else {
    group.response_at = std::min(*group.response_at, due);
    if (query.sources.empty() || group.queried_sources.empty()) {  // rule 4
      group.queried_sources.clear();
    } else {  // rule 5
      group.queried_sources.insert(query.sources.begin(), query.sources.end());
    }
  }
  // Too many to remember: the whole group is the answer that holds them all.
  if (group.queried_sources.size() > kMaxQueriedSources) group.queried_sources.clear();
}

// RFC 3376 7.2.1. On a change, pending answers and repetitions are cancelled, but for what was never sent at
// all.
void MulticastHost::update_version(Time now) {
  if (v1_until_ && now >= *v1_until_) v1_until_.reset();
  if (v2_until_ && now >= *v2_until_) v2_until_.reset();
  int version = 3;
  switch (mode_) {
    case IgmpVersionMode::v1:
      version = 1;
      break;
    case IgmpVersionMode::v2:
      version = v1_until_ ? 1 : 2;
      break;
    case IgmpVersionMode::v3:
      break;
    case IgmpVersionMode::automatic:
      version = v1_until_ ? 1 : v2_until_ ? 2 : 3;
      break;
  }
  if (version == counters_.version) return;
  counters_.version = version;
  general_at_.reset();
  for (auto& [address, group] : groups_) {
    group.response_at.reset();
    group.queried_sources.clear();
    if (!group.announced) continue;
    group.mode_reports = 0;
    group.source_reports.clear();
    group.plain_reports = 0;
    group.plain_leave = false;
    group.change_at.reset();
  }
  drop_finished();
}

bool MulticastHost::nothing_left(const Group& group) const { return !group.member() && !group.change_at; }

void MulticastHost::drop_finished() {
  std::erase_if(groups_, [this](const auto& entry) { return nothing_left(entry.second); });
}

bool MulticastHost::may_send(Time now) {
  const auto gained = (now - tokens_at_) / kFrameInterval;
  if (gained > 0) {
    tokens_ = static_cast<unsigned>(
        std::min<std::int64_t>(kBurst, tokens_ + std::min<std::int64_t>(gained, kBurst)));
    tokens_at_ = now;
  }
  return tokens_ > 0;
}

void MulticastHost::send(Bytes frame, Time now) {
  if (tokens_ > 0) --tokens_;
  ++counters_.reports;
  counters_.last_report = now;
  sink_.send(frame);
}

void MulticastHost::send_records(std::vector<GroupRecord> records, Time now) {
  if (records.empty()) return;
  for (const auto& report : split_records(std::move(records), mtu_))
    send(build_v3_report(sender_, report), now);
}

void MulticastHost::on_timer(Time now) {
  const auto deadline = next_deadline();
  if (!deadline || now < *deadline) return;
  deadline_known_ = false;
  update_version(now);
  repeat_doubtful(now);
  send_changes(now);
  send_responses(now);
  drop_finished();
}

void MulticastHost::send_changes(Time now) {
  if (counters_.version == 3) {
    send_changes_v3(now);
    return;
  }
  for (auto& [address, group] : groups_) {
    if (!group.change_at || *group.change_at > now) continue;
    if (!may_send(now)) return;
    send_plain_change(address, group, now);
  }
}

void MulticastHost::send_changes_v3(Time now) {
  std::vector<GroupRecord> records;
  for (auto& [address, group] : groups_) {
    if (!group.change_at || *group.change_at > now) continue;
    if (!may_send(now)) break;
    take_change_records(address, group, now, records);
    if (records.size() >= kRecordsPerTurn) {
      send_records(std::move(records), now);
      records.clear();
    }
  }
  send_records(std::move(records), now);
}

// RFC 3376 5.1: a filter mode change that is still to be repeated goes out with the state as it is now; else
// the sources that changed, each as it stands now.
void MulticastHost::take_change_records(Ipv4 address, Group& group, Time now, std::vector<GroupRecord>& out) {
  GroupRecord allow{RecordType::allow_new_sources, address, {}};
  GroupRecord block{RecordType::block_old_sources, address, {}};
  for (auto entry = group.source_reports.begin(); entry != group.source_reports.end();) {
    (group.sources.contains(entry->first) ? allow : block).sources.push_back(entry->first);
    entry = --entry->second == 0 ? group.source_reports.erase(entry) : std::next(entry);
  }
  if (group.mode_reports > 0) {
    --group.mode_reports;
    GroupRecord change = current_state(address, group);
    change.type = group.exclude() ? RecordType::change_to_exclude : RecordType::change_to_include;
    out.push_back(std::move(change));
  } else {
    if (!allow.sources.empty()) out.push_back(std::move(allow));
    if (!block.sources.empty()) out.push_back(std::move(block));
  }
  group.announced = true;
  group.plain_reports = 0;
  group.plain_leave = false;
  group.change_at.reset();
  if (group.mode_reports > 0 || !group.source_reports.empty()) {
    group.change_at = now + random_delay(kUnsolicitedIntervalV3);
  }
}

void MulticastHost::send_plain_change(Ipv4 address, Group& group, Time now) {
  const IgmpType report = counters_.version == 1 ? IgmpType::v1_report : IgmpType::v2_report;
  if (group.member() && group.plain_reports > 0) {
    send(build_group_message(sender_, report, address), now);
    --group.plain_reports;
  } else if (!group.member() && group.plain_leave && counters_.version == 2) {
    send(build_group_message(sender_, IgmpType::v2_leave, address), now);
  }
  group.announced = true;
  group.plain_leave = false;
  group.mode_reports = 0;
  group.source_reports.clear();
  group.change_at.reset();
  if (group.member() && group.plain_reports > 0) group.change_at = now + random_delay(kUnsolicitedIntervalV2);
}

GroupRecord MulticastHost::current_state(Ipv4 address, const Group& group) {
  if (group.exclude()) return {RecordType::mode_is_exclude, address, {}};
  GroupRecord record{RecordType::mode_is_include, address, {}};
  for (const auto& [source, references] : group.sources) record.sources.push_back(source);
  return record;
}

// RFC 3376 5.2: INCLUDE (A), asked for B: IS_IN (A*B). EXCLUDE ({}), asked for B: IS_IN (B). Empty: no
// answer.
std::optional<GroupRecord> MulticastHost::response_record(Ipv4 address, const Group& group) const {
  if (!group.member()) return std::nullopt;
  if (group.queried_sources.empty()) return current_state(address, group);
  GroupRecord record{RecordType::mode_is_include, address, {}};
  for (const Ipv4 source : group.queried_sources) {
    if (group.exclude() || group.sources.contains(source)) record.sources.push_back(source);
  }
  if (record.sources.empty()) return std::nullopt;
  return record;
}

void MulticastHost::send_responses(Time now) {
  std::vector<GroupRecord> records;
  if (general_at_ && *general_at_ <= now) {
    if (!may_send(now)) return;
    general_at_.reset();
    for (auto& [address, group] : groups_) {
      if (group.member()) records.push_back(current_state(address, group));
      group.response_at.reset();  // just answered in full
      group.queried_sources.clear();
    }
    send_records(std::move(records), now);
    return;
  }
  for (auto& [address, group] : groups_) {
    if (!group.response_at || *group.response_at > now) continue;
    if (!may_send(now)) break;
    if (counters_.version == 3) {
      if (auto record = response_record(address, group)) records.push_back(std::move(*record));
    } else if (group.member()) {
      const IgmpType type = counters_.version == 1 ? IgmpType::v1_report : IgmpType::v2_report;
      send(build_group_message(sender_, type, address), now);
    }
    group.response_at.reset();
    group.queried_sources.clear();
  }
  send_records(std::move(records), now);
}

std::optional<Time> MulticastHost::next_deadline() const {
  if (!deadline_known_) {
    deadline_ = find_deadline();
    deadline_known_ = true;
  }
  return deadline_;
}

std::optional<Time> MulticastHost::find_deadline() const {
  std::optional<Time> deadline = general_at_;
  for (const auto& [address, group] : groups_) {
    earlier(deadline, group.change_at);
    earlier(deadline, group.response_at);
    earlier(deadline, group.doubt_at);
  }
  // Paced: nothing goes out before the next token.
  if (deadline && tokens_ == 0) deadline = std::max(*deadline, tokens_at_ + Time(kFrameInterval));
  earlier(deadline, v1_until_);
  earlier(deadline, v2_until_);
  return deadline;
}

}  // namespace headgate::fastpath
