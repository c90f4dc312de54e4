// The gate that a listener's callback asks who may come in, and what it keeps for that: who guesses keys,
// which channels have a publisher. Threading: admit() runs on libsrt's receiving threads, where it may not
// wait; all members are thread-safe.
#pragma once

#include <srt/srt.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/bridge/net/guess_limit.h"
#include "dataplane/bridge/srt/access.h"
#include "dataplane/bridge/srt/seats.h"

namespace headgate::bridge::srt {

// A caller let in by the gate, whose handshake goes on.
struct Admission {
  SRTSOCKET socket = SRT_INVALID_SOCK;
  std::string listener;
  std::string stream_id;
  std::string address;
  Decision decision;
  std::int64_t at_us = 0;
  Seat seat;
};

class Gate {
 public:
  // A publisher that was silent for so long has lost its place to the next.
  static constexpr std::int64_t kSilence = 1'000'000;  // us
  // Wrong keys and channels that one client may try in a minute.
  static constexpr std::size_t kGuesses = 10;

  // A line for the log: channel or "", a reason that is a constant, text; from any thread.
  using Say = std::function<void(std::string, std::string_view, std::string)>;
  Gate(std::size_t max_sessions, std::size_t per_address, Say say, std::function<void()> wake);

  void set_table(std::shared_ptr<const AccessTable> table);
  std::shared_ptr<const AccessTable> table() const;
  // 0: go on, -1: refused, with its code set at the socket.
  int admit(const std::string& listener, SRTSOCKET socket, const sockaddr* peer, const char* stream_id);
  std::vector<Admission> take_admissions();
  void refuse(Refusal refusal, const std::string& who, const std::string& stream_id);
  // Without a line in the log.
  void count(Refusal refusal);
  std::array<std::uint64_t, kRefusals> refused() const;
  // Of a session, whichever thread has it; never given twice.
  std::uint64_t new_number() { return last_number_.fetch_add(1, std::memory_order_relaxed) + 1; }
  // Sessions and handshakes under way: of players, and of publishers.
  void set_players(std::size_t players) { players_.store(players, std::memory_order_relaxed); }
  void set_publishers(std::size_t publishers) { publishers_.store(publishers, std::memory_order_relaxed); }

  // The channel's publisher sent something, by whatever protocol; or it is gone.
  void heard(const std::string& channel, std::int64_t now_us);
  void gone(const std::string& channel);

 private:
  bool may_log();
  Decision judge(const std::string& listener, const sockaddr* peer, const char* stream_id);
  bool set_up(SRTSOCKET socket, const Decision& decision) const;

  const std::size_t max_sessions_;
  Say say_;
  std::function<void()> wake_;
  mutable std::mutex table_mutex_;  // held for a copy
  std::shared_ptr<const AccessTable> table_ = std::make_shared<const AccessTable>();
  std::array<std::atomic<std::uint64_t>, kRefusals> refused_{};
  std::atomic<std::uint64_t> last_number_{0};
  std::atomic<std::size_t> players_{0};
  std::atomic<std::size_t> publishers_{0};
  std::atomic<std::int64_t> log_second_{0};
  std::atomic<unsigned> logged_{0};
  mutable std::mutex mutex_;  // held for a push, a swap or a look
  std::vector<Admission> admissions_;
  net::GuessLimit guesses_{kGuesses};
  Seats seats_;
  std::map<std::string, std::int64_t, std::less<>> heard_;  // channels with a publisher: when it last sent
};

}  // namespace headgate::bridge::srt
