// Which of a channel's inputs is to be on air: by preference, by what is wrong with each, and by what the
// operator forced. Pure: observations and time are arguments. References: ETSI TR 101 290 5.2.1 (PAT_error,
// PMT_error: more than 0.5 s), 5.2.2 (PCR_repetition_error: more than 100 ms). Threading: owned by one
// thread; nothing here allocates after the constructor.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "control/protocol/state.h"

namespace headgate::fastpath {

// What a worker knows of an input at one moment, counters rising. Cheap to fill; looked at every 20 ms.
struct InputView {
  std::int64_t last_packet_ns = 0;  // 0: nothing yet
  std::int64_t last_pat_ns = 0;
  std::int64_t last_pmt_ns = 0;
  std::int64_t last_pcr_ns = 0;
  bool tables_expected = true;  // false: a stream that has no PMT we could look for
  bool synchronous = true;      // the last packets began with 0x47
  bool scrambled = false;       // the service's pictures (or its only sound) are scrambled now
  std::uint64_t cc_errors = 0;
  std::uint64_t bitrate_bps = 0;
  bool pid_missing = false;  // a PID of the PMT is silent
  // What the bridge saw and heard of it; 0: nothing wrong. Without a fresh verdict they mean nothing.
  bool watched = false;
  std::int64_t frozen_since_ns = 0;
  std::int64_t black_since_ns = 0;
  std::int64_t silence_since_ns = 0;
};

class Failover {
 public:
  static constexpr std::size_t kMaxInputs = 8;
  // CC errors with less than this between them are one trouble.
  static constexpr std::int64_t kErrorFree = 1'000'000'000;
  // An input that was left for what was seen or heard is not trusted for so long after the last verdict.
  static constexpr std::int64_t kDistrust = 10'000'000'000;

  Failover(const protocol::FailoverState& policy, std::size_t inputs);

  void set_policy(const protocol::FailoverState& policy) noexcept;
  void force(std::size_t input) noexcept;  // 0-based
  void release() noexcept;
  void observe(std::size_t input, const InputView& view, std::int64_t now_ns) noexcept;
  // After all inputs were observed at this moment: the one to have on air.
  std::size_t choose(std::int64_t now_ns) noexcept;
  // Something is wrong with the chosen one and another stands by: a change comes unless it ends before
  // `after`.
  bool change_ahead() const noexcept;

  // The troubles of an input that last longer than failover.after now, by protocol::Trouble.
  std::uint32_t troubles(std::size_t input) const noexcept;
  bool good(std::size_t input) const noexcept { return troubles(input) == 0; }
  // Preferred to the one on air, and left for what was seen or heard: only who watches it on can tell when it
  // is good again.
  bool to_be_watched(std::size_t input) const noexcept {
    return input < chosen_ && inputs_[input].left_ns != 0;
  }

 private:
  struct Input {
    InputView view;
    std::array<std::int64_t, protocol::kTroubles> since{};  // 0: not troubled so
    std::int64_t good_since_ns = 0;                         // 0: not good now
    std::int64_t first_seen_ns = 0;
    std::uint64_t cc_mark = 0;
    std::int64_t cc_last_ns = 0;  // of the last CC error
    double usual_bps = 0;         // a mean over about a minute
    std::int64_t usual_ns = 0;
    std::int64_t watched_ns = 0;    // last fresh verdict
    std::int64_t left_ns = 0;       // for what was seen or heard; 0: it was not
    std::int64_t seen_well_ns = 0;  // since when verdicts say so, of one that was left
    std::uint32_t lasting = 0;
    bool troubled = false;  // now, however young it is
    bool has_data = false;
    bool seen = false;
  };

  void note(Input& input, protocol::Trouble trouble, bool is, std::int64_t since_ns) const noexcept;
  void note_cc(Input& input, std::int64_t now_ns) const noexcept;
  void note_seen(Input& input, std::int64_t now_ns) const noexcept;
  void set_chosen(std::size_t input, std::int64_t now_ns) noexcept;
  void note_bitrate(Input& input, std::int64_t now_ns) const noexcept;
  std::int64_t lasts(const Input& input, std::size_t trouble, std::int64_t now_ns) const noexcept;
  bool held(const Input& input, std::int64_t now_ns) const noexcept;
  std::size_t best_good() const noexcept;

  std::int64_t after_ns_ = 0;
  std::int64_t hold_ns_ = 0;
  bool back_ = true;
  std::uint32_t when_ = 0;
  std::array<Input, kMaxInputs> inputs_{};
  std::size_t count_;
  std::size_t chosen_ = 0;
  std::size_t forced_ = kMaxInputs;
};

}  // namespace headgate::fastpath
