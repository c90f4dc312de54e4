#include "dataplane/bridge/srt/gate.h"

#include <fmt/format.h>
#include <srt/access_control.h>

#include <utility>

#include "dataplane/bridge/net/address.h"
#include "dataplane/bridge/srt/budget.h"
#include "dataplane/bridge/srt/endpoint.h"
#include "dataplane/bridge/srt/stream_id.h"

namespace headgate::bridge::srt {
namespace {

constexpr std::size_t kMaxAdmissions = 1024;
constexpr unsigned kLogLinesASecond = 3;

constexpr bool codes_are_libsrts() {
  return SRT_REJX_BAD_REQUEST == 1400 && SRT_REJX_UNAUTHORIZED == 1401 && SRT_REJX_OVERLOAD == 1402 &&
         SRT_REJX_FORBIDDEN == 1403 && SRT_REJX_NOTFOUND == 1404 && SRT_REJX_BAD_MODE == 1405 &&
         SRT_REJX_CONFLICT == 1409 && SRT_REJX_NOTSUP_MEDIA == 1415;
}
static_assert(codes_are_libsrts(), "access.cpp has them as numbers");

bool set_option(SRTSOCKET socket, SRT_SOCKOPT name, int value) {
  return srt_setsockflag(socket, name, &value, sizeof value) != SRT_ERROR;
}

}  // namespace

Gate::Gate(std::size_t max_sessions, std::size_t per_address, Say say, std::function<void()> wake)
    : max_sessions_(max_sessions), say_(std::move(say)), wake_(std::move(wake)), seats_(per_address) {}

void Gate::set_table(std::shared_ptr<const AccessTable> table) {
  const std::lock_guard lock(table_mutex_);
  table_.swap(table);
}

std::shared_ptr<const AccessTable> Gate::table() const {
  const std::lock_guard lock(table_mutex_);
  return table_;
}

bool Gate::may_log() {
  const std::int64_t second = srt_time_now() / 1'000'000;
  if (log_second_.exchange(second) != second) logged_ = 0;
  return logged_++ < kLogLinesASecond;
}

void Gate::count(Refusal refusal) {
  refused_[static_cast<std::size_t>(refusal)].fetch_add(1, std::memory_order_relaxed);
}

void Gate::refuse(Refusal refusal, const std::string& who, const std::string& stream_id) {
  count(refusal);
  if (!may_log()) return;
  const int code = reject_code(refusal);
  say_("", name_of(refusal),
       fmt::format("{} refused ({}{}), stream id \"{}\": {}", who, name_of(refusal),
                   code == 0 ? "" : fmt::format(", {}", code), without_query(stream_id), remedy_of(refusal)));
}

// Under the lock.
Decision Gate::judge(const std::string& listener, const sockaddr* peer, const char* stream_id) {
  const std::size_t sessions = players_.load(std::memory_order_relaxed) +
                               publishers_.load(std::memory_order_relaxed) + admissions_.size();
  Decision decision = decide(*table(), listener, stream_id, sessions, max_sessions_);
  const auto refuse_as = [&](Refusal refusal) {
    decision.accepted = false;
    decision.refusal = refusal;
  };
  if (decision.accepted && admissions_.size() >= kMaxAdmissions) refuse_as(Refusal::overload);
  if (!decision.publishing) return decision;
  const std::string who = net::client_of(peer);
  const std::int64_t now = srt_time_now();
  if (guesses_.blocked(who, std::chrono::microseconds(now))) {
    refuse_as(Refusal::too_many_guesses);
  } else if (!decision.accepted) {
    if (decision.refusal == Refusal::wrong_key || decision.refusal == Refusal::not_found)
      guesses_.wrong(who, std::chrono::microseconds(now));
  } else if (const auto heard = heard_.find(decision.channel);
             heard != heard_.end() && now - heard->second < kSilence) {
    refuse_as(Refusal::conflict);
  }
  return decision;
}

bool Gate::set_up(SRTSOCKET socket, const Decision& decision) const {
  const int latency = static_cast<int>(decision.latency_ms);
  if (!set_option(socket, SRTO_PEERLATENCY, latency) || !set_option(socket, SRTO_RCVLATENCY, latency))
    return false;
  if (decision.publishing) {
    const ReceiveRoom room = receive_room(decision.latency_ms);
    if (!set_option(socket, SRTO_FC, room.packets) || !set_option(socket, SRTO_RCVBUF, room.bytes))
      return false;
  }
  const std::string& secret = decision.passphrase;
  return srt_setsockflag(socket, SRTO_PASSPHRASE, secret.data(), static_cast<int>(secret.size())) !=
         SRT_ERROR;
}

int Gate::admit(const std::string& listener, SRTSOCKET socket, const sockaddr* peer, const char* stream_id) {
  const std::lock_guard lock(mutex_);
  Decision decision = judge(listener, peer, stream_id);
  Seat seat = decision.accepted ? seats_.take(net::client_of(peer)) : nullptr;
  if (decision.accepted && seat == nullptr) {
    decision.accepted = false;
    decision.refusal = Refusal::overload;
  }
  if (!decision.accepted) {
    srt_setrejectreason(socket, reject_code(decision.refusal));
    refuse(decision.refusal, net::address_text(peer), stream_id);
    return -1;
  }
  if (!set_up(socket, decision)) {
    // Never let in unencrypted whom a passphrase should have kept out.
    srt_setrejectreason(socket, SRT_REJX_ISE);
    refuse(Refusal::secret, net::address_text(peer), stream_id);
    return -1;
  }
  admissions_.push_back({socket, listener, stream_id, net::address_text(peer), std::move(decision),
                         srt_time_now(), std::move(seat)});
  wake_();
  return 0;
}

std::vector<Admission> Gate::take_admissions() {
  const std::lock_guard lock(mutex_);
  return std::exchange(admissions_, {});
}

std::array<std::uint64_t, kRefusals> Gate::refused() const {
  std::array<std::uint64_t, kRefusals> out{};
  for (std::size_t i = 0; i < kRefusals; ++i) out[i] = refused_[i].load(std::memory_order_relaxed);
  return out;
}

void Gate::heard(const std::string& channel, std::int64_t now_us) {
  const std::lock_guard lock(mutex_);
  heard_[channel] = now_us;
}

void Gate::gone(const std::string& channel) {
  const std::lock_guard lock(mutex_);
  heard_.erase(channel);
}

}  // namespace headgate::bridge::srt
