#include "control/log/limiter.h"

#include <functional>
#include <utility>

namespace headgate::log {

Limiter::Kind& Limiter::find(Key key, std::int64_t now_ns) {
  const auto found = kinds_.find(key);
  if (found != kinds_.end()) return found->second;
  if (kinds_.size() >= kMostKinds)
    std::erase_if(kinds_, [&](const auto& kind) {
      return is_over(kind.second, now_ns) && kind.second.suppressed == 0;
    });
  if (kinds_.size() >= kMostKinds) key = {};
  return kinds_.try_emplace(std::move(key), Kind{now_ns, 0, 0}).first->second;
}

bool Limiter::may(std::string_view channel, std::string_view reason, std::string_view site,
                  std::int64_t now_ns) {
  channel = channel.substr(0, kLongestWord);
  reason = reason.substr(0, kLongestWord);
  Kind& kind = find({std::string(channel), std::string(reason), std::hash<std::string_view>{}(site)}, now_ns);
  if (is_over(kind, now_ns)) {
    if (kind.suppressed != 0 && due_.size() < kMostKinds)
      due_.push_back({std::string(channel), std::string(reason), kind.suppressed});
    kind = {now_ns, 0, 0};
  }
  if (kind.lines < kLines) return ++kind.lines, true;
  ++kind.suppressed;
  return false;
}

std::vector<Limiter::Suppressed> Limiter::take_suppressed(std::int64_t now_ns) {
  std::vector<Suppressed> told = std::exchange(due_, {});
  // At most once in a tenth of a period: a storm must not cost a walk over all kinds for each of its lines.
  if (now_ns >= looked_ns_ && now_ns - looked_ns_ < kPeriodNs / 10) return told;
  looked_ns_ = now_ns;
  for (auto kind = kinds_.begin(); kind != kinds_.end();) {
    if (!is_over(kind->second, now_ns)) {
      ++kind;
      continue;
    }
    if (kind->second.suppressed != 0)
      told.push_back({std::get<0>(kind->first), std::get<1>(kind->first), kind->second.suppressed});
    kind = kinds_.erase(kind);
  }
  return told;
}

}  // namespace headgate::log
