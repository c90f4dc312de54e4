#include "dataplane/bridge/net/guess_limit.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <array>

namespace headgate::bridge::net {

bool GuessLimit::blocked(const std::string& who, Time now) const {
  auto record = records_.find(who);
  if (record == records_.end() && records_.size() > kMaxRecords) record = records_.find("");
  return record != records_.end() && now - record->second.since < kWindow && record->second.wrong >= most_;
}

void GuessLimit::wrong(const std::string& who, Time now) {
  const auto full = [&] { return records_.size() >= kMaxRecords && !records_.contains(who); };
  if (full()) std::erase_if(records_, [&](const auto& one) { return now - one.second.since >= kWindow; });
  Record& record = records_[full() ? "" : who];
  if (record.wrong == 0 || now - record.since >= kWindow) record = {now, 0};
  ++record.wrong;
}

bool same_secret(std::string_view a, std::string_view b) {
  const auto digest = [](std::string_view text) {
    std::array<unsigned char, SHA256_DIGEST_LENGTH> out{};
    ::SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data());
    return out;
  };
  const auto x = digest(a), y = digest(b);
  return CRYPTO_memcmp(x.data(), y.data(), x.size()) == 0;
}

}  // namespace headgate::bridge::net
