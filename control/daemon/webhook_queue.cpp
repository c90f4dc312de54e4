#include "control/daemon/webhook_queue.h"

#include <algorithm>
#include <set>

#include "control/daemon/view.h"

namespace headgate::control {
namespace {

std::int64_t count_ns(std::chrono::nanoseconds time) { return time.count(); }

// What tells that nothing can be told is not told.
bool is_told(const Alarm& alarm) {
  return alarm.cause == 0 && !alarm.maintenance && alarm.kind != "webhook_failing";
}

std::string body_text(const nlohmann::json& body) {
  return body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

void WebhookQueue::push(const char* change, const Alarm& alarm, const std::vector<Alarm>& active,
                        const std::string& node, std::int64_t now) {
  nlohmann::json consequences = nlohmann::json::array();
  for (const Alarm& other : active) {
    if (other.cause != alarm.id || consequences.size() >= kMostConsequences) continue;
    consequences.push_back({{"id", other.id},
                            {"kind", other.kind},
                            {"subject", other.subject},
                            {"channel", other.channel},
                            {"message", other.message}});
  }
  const nlohmann::json about = alarm_json(alarm);
  told_[alarm.id] = {about, alarm.acknowledged.has_value()};
  waiting_.push_back({next_id_, now,
                      body_text({{"version", 1},
                                 {"delivery", next_id_},
                                 {"node", node},
                                 {"change", change},
                                 {"unix_ns", now},
                                 {"alarm", about},
                                 {"consequences", consequences}})});
  ++next_id_;
  ++changes_;
  if (waiting_.size() > kMost) drop_first();
  view_.waiting = waiting_.size();
}

void WebhookQueue::drop_first() {
  waiting_.pop_front();
  ++view_.dropped;
  ++changes_;
  view_.waiting = waiting_.size();
}

void WebhookQueue::update(const std::vector<Alarm>& active, const std::string& node, std::int64_t now) {
  std::set<std::uint64_t> stands;
  for (const Alarm& alarm : active) {
    stands.insert(alarm.id);
    const auto told = told_.find(alarm.id);
    if (told != told_.end()) {
      told->second.alarm["message"] = alarm.message;
      // It was told as a lesser matter, before it explained a graver one.
      const bool worse = alarm.severity == catalogue::Severity::critical &&
                         told->second.alarm["severity"] != to_string(alarm.severity);
      if (worse && is_told(alarm)) {
        push("raised", alarm, active, node, now);
        continue;
      }
      if (alarm.acknowledged && !told->second.acknowledged) push("acknowledged", alarm, active, node, now);
      continue;
    }
    if (!is_told(alarm)) {
      seen_.erase(alarm.id);
      continue;
    }
    std::int64_t& since = seen_.emplace(alarm.id, now).first->second;
    since = std::min(since, now);  // the clock may have been set back
    if (now - since < count_ns(kSettle)) continue;
    seen_.erase(alarm.id);
    push("raised", alarm, active, node, now);
  }
  std::erase_if(seen_, [&](const auto& entry) { return !stands.contains(entry.first); });
  for (auto entry = told_.begin(); entry != told_.end();) {
    const auto current = entry++;
    if (stands.contains(current->first)) continue;
    waiting_.push_back({next_id_, now,
                        body_text({{"version", 1},
                                   {"delivery", next_id_},
                                   {"node", node},
                                   {"change", "over"},
                                   {"unix_ns", now},
                                   {"alarm", current->second.alarm},
                                   {"consequences", nlohmann::json::array()}})});
    ++next_id_;
    ++changes_;
    told_.erase(current);
    if (waiting_.size() > kMost) drop_first();
  }
  view_.waiting = waiting_.size();
}

const WebhookQueue::Delivery* WebhookQueue::next(std::int64_t now) {
  while (!waiting_.empty() && now - waiting_.front().made_unix_ns > count_ns(kKept)) drop_first();
  if (not_before_ - now > count_ns(kLongestPause)) not_before_ = now;  // the clock was set back
  if (waiting_.empty() || now < not_before_) return nullptr;
  trying_ = waiting_.front().id;
  return &waiting_.front();
}

void WebhookQueue::done(const std::string& error, std::int64_t now) {
  view_.error = error;
  if (!error.empty()) {
    ++view_.failed;
    not_before_ = now + count_ns(pause_);
    pause_ = std::min<std::chrono::nanoseconds>(pause_ * 2, kLongestPause);
    return;
  }
  ++view_.delivered;
  not_before_ = 0;
  pause_ = kFirstPause;
  // It may have been dropped meanwhile.
  if (!waiting_.empty() && waiting_.front().id == trying_) waiting_.pop_front();
  ++changes_;
  view_.waiting = waiting_.size();
}

void WebhookQueue::clear() {
  changes_ += told_.empty() && waiting_.empty() ? 0U : 1U;
  seen_.clear();
  told_.clear();
  waiting_.clear();
  view_.waiting = 0;
  view_.error.clear();
  not_before_ = 0;
  pause_ = kFirstPause;
}

nlohmann::json WebhookQueue::to_json() const {
  nlohmann::json waiting = nlohmann::json::array(), told = nlohmann::json::array();
  for (const Delivery& delivery : waiting_)
    waiting.push_back(
        {{"id", delivery.id}, {"made_unix_ns", delivery.made_unix_ns}, {"body", delivery.body}});
  for (const auto& [id, entry] : told_) told.push_back({{"id", id}, {"alarm", entry.alarm}});
  return {{"version", 1}, {"next_id", next_id_}, {"waiting", waiting}, {"told", told}};
}

void WebhookQueue::restore(const nlohmann::json& from) {
  try {
    next_id_ = std::max(next_id_, from.at("next_id").get<std::uint64_t>());
    for (const auto& entry : from.at("waiting")) {
      if (waiting_.size() >= kMost) break;
      Delivery delivery{entry.at("id").get<std::uint64_t>(), entry.at("made_unix_ns").get<std::int64_t>(),
                        entry.at("body").get<std::string>()};
      next_id_ = std::max(next_id_, delivery.id + 1);
      waiting_.push_back(std::move(delivery));
    }
    for (const auto& entry : from.at("told")) {
      const nlohmann::json& alarm = entry.at("alarm");
      told_[entry.at("id").get<std::uint64_t>()] = {alarm, !alarm.at("acknowledged").is_null()};
    }
  } catch (const nlohmann::json::exception&) {
    // The rest of a damaged file: what stands is told again, what waited there is lost.
  }
  view_.waiting = waiting_.size();
}

}  // namespace headgate::control
