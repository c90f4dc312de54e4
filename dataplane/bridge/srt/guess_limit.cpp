#include "dataplane/bridge/srt/guess_limit.h"

#include <netinet/in.h>

namespace headgate::bridge::srt {

std::string GuessLimit::who(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    return {reinterpret_cast<const char*>(&v4->sin_addr), sizeof v4->sin_addr};
  }
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
  const auto* bytes = reinterpret_cast<const char*>(v6->sin6_addr.s6_addr);
  return IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) ? std::string(bytes + 12, 4) : std::string(bytes, 8);
}

bool GuessLimit::blocked(const std::string& who, std::int64_t now_us) const {
  auto record = records_.find(who);
  if (record == records_.end() && records_.size() > kMaxAddresses) record = records_.find("");
  return record != records_.end() && now_us - record->second.since < kWindow && record->second.wrong >= kMost;
}

void GuessLimit::wrong(const std::string& who, std::int64_t now_us) {
  if (records_.size() >= kMaxAddresses && !records_.contains(who)) forget_old(now_us);
  const bool full = records_.size() >= kMaxAddresses && !records_.contains(who);
  Record& record = records_[full ? "" : who];
  if (now_us - record.since >= kWindow) record = {now_us, 0};
  ++record.wrong;
}

void GuessLimit::forget_old(std::int64_t now_us) {
  std::erase_if(records_, [&](const auto& entry) { return now_us - entry.second.since >= kWindow; });
}

bool is_right_key(const std::string& wanted, const std::string& given) {
  if (wanted.empty()) return true;
  unsigned difference = wanted.size() == given.size() ? 0U : 1U;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const auto theirs = static_cast<unsigned char>(given[i]);
    const auto ours = static_cast<unsigned char>(wanted[i % wanted.size()]);
    difference |= static_cast<unsigned>(theirs ^ ours);
  }
  return difference == 0;
}

}  // namespace headgate::bridge::srt
