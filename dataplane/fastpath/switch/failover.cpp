#include "dataplane/fastpath/switch/failover.h"

#include <algorithm>

namespace headgate::fastpath {
namespace {

using protocol::Trouble;

constexpr std::int64_t kMillisecond = 1'000'000;
constexpr std::int64_t kTableInterval = 500 * kMillisecond;  // TR 101 290 5.2.1
constexpr std::int64_t kPcrInterval = 100 * kMillisecond;    // TR 101 290 5.2.2
// A trouble that lasted longer than this, or than `after`, begins the wait for `hold` anew.
constexpr std::int64_t kLapse = 1000 * kMillisecond;
// Packets of a stream of 100 kb/s and more are closer together.
constexpr std::int64_t kYoung = 20 * kMillisecond;
constexpr double kUsualOver = 60e9;  // time constant of the usual bitrate
constexpr double kLowShare = 0.5;    // of it, below which the bitrate is a trouble
constexpr double kUsualAfter = 5e9;  // of a stream before anything is usual

constexpr std::size_t index(Trouble trouble) noexcept { return static_cast<std::size_t>(trouble); }
constexpr std::uint32_t bit(std::size_t trouble) noexcept { return std::uint32_t{1} << trouble; }

constexpr std::uint32_t kSeen = bit(static_cast<std::size_t>(Trouble::frozen)) |
                                bit(static_cast<std::size_t>(Trouble::black)) |
                                bit(static_cast<std::size_t>(Trouble::silence));

}  // namespace

Failover::Failover(const protocol::FailoverState& policy, std::size_t inputs)
    : count_(std::clamp<std::size_t>(inputs, 1, kMaxInputs)) {
  set_policy(policy);
}

void Failover::set_policy(const protocol::FailoverState& policy) noexcept {
  after_ns_ = std::int64_t{policy.after_ms} * kMillisecond;
  hold_ns_ = std::int64_t{policy.hold_ms} * kMillisecond;
  back_ = policy.back;
  when_ = 0;
  for (const Trouble trouble : policy.when) when_ |= bit(index(trouble));
}

void Failover::force(std::size_t input) noexcept {
  if (input < count_) forced_ = input;
}

void Failover::release() noexcept { forced_ = kMaxInputs; }

// A trouble keeps the moment at which it began.
void Failover::note(Input& input, Trouble trouble, bool is, std::int64_t since_ns) const noexcept {
  std::int64_t& since = input.since[index(trouble)];
  if (!is) {
    since = 0;
  } else if (since == 0) {
    since = std::max<std::int64_t>(since_ns, 1);
  }
}

// Errors now and then are no trouble: it lasts from its first error to its last, with less than kErrorFree
// between any two.
void Failover::note_cc(Input& input, std::int64_t now_ns) const noexcept {
  std::int64_t& since = input.since[index(Trouble::cc)];
  if (now_ns - input.cc_last_ns >= kErrorFree) since = 0;
  // A counter that fell belongs to an inspection that began anew.
  if (input.view.cc_errors > input.cc_mark) {
    if (since == 0) since = now_ns;
    input.cc_last_ns = now_ns;
  }
  input.cc_mark = input.view.cc_errors;
}

void Failover::note_bitrate(Input& input, std::int64_t now_ns) const noexcept {
  const auto rate = static_cast<double>(input.view.bitrate_bps);
  if (input.usual_ns == 0) input.usual_ns = now_ns;
  const bool usual = static_cast<double>(now_ns - input.first_seen_ns) >= kUsualAfter;
  const bool low = usual && rate < kLowShare * input.usual_bps;
  note(input, Trouble::bitrate, low, now_ns);
  const auto passed = static_cast<double>(std::max<std::int64_t>(0, now_ns - input.usual_ns));
  input.usual_ns = now_ns;
  if (low || rate == 0) return;
  if (input.usual_bps == 0 || !usual) {
    input.usual_bps = rate;
  } else {
    input.usual_bps += (rate - input.usual_bps) * std::min(1.0, passed / kUsualOver);
  }
}

// Verdicts need somebody who watches. Without one nothing is wrong, but with an input that was left for what
// the last one said: that is believed for a while.
void Failover::note_seen(Input& input, std::int64_t now_ns) const noexcept {
  const InputView& view = input.view;
  const auto set = [&](Trouble trouble, std::int64_t since_ns) {
    note(input, trouble, since_ns != 0, since_ns);
  };
  if (view.watched) {
    input.watched_ns = now_ns;
    set(Trouble::frozen, view.frozen_since_ns);
    set(Trouble::black, view.black_since_ns);
    set(Trouble::silence, view.silence_since_ns);
    const bool well = view.frozen_since_ns == 0 && view.black_since_ns == 0 && view.silence_since_ns == 0;
    if (!well) input.seen_well_ns = 0;
    if (well && input.seen_well_ns == 0) input.seen_well_ns = now_ns;
    // Good for so long that it would be back, were there nothing else.
    if (well && now_ns - input.seen_well_ns > hold_ns_ + kErrorFree) input.left_ns = 0;
    return;
  }
  if (input.left_ns != 0 && now_ns - std::max(input.left_ns, input.watched_ns) < kDistrust) return;
  set(Trouble::frozen, 0);
  set(Trouble::black, 0);
  set(Trouble::silence, 0);
  // It stays one that is to be watched, so that a bridge that comes back sees it.
  input.seen_well_ns = 0;
}

void Failover::observe(std::size_t number, const InputView& view, std::int64_t now_ns) noexcept {
  if (number >= count_) return;
  Input& input = inputs_[number];
  if (!input.seen) {
    input.seen = true;
    input.first_seen_ns = now_ns;
    input.cc_mark = view.cc_errors;
    input.cc_last_ns = now_ns - kErrorFree;
  }
  input.view = view;
  // What never came is missed since we look for it.
  const auto late = [&](Trouble trouble, std::int64_t last_ns, std::int64_t interval, bool expected) {
    const std::int64_t last = last_ns != 0 ? last_ns : input.first_seen_ns;
    input.since[index(trouble)] = 0;
    note(input, trouble, expected && now_ns - last > interval, last);
  };
  late(Trouble::no_data, view.last_packet_ns, 0, true);
  late(Trouble::pat, view.last_pat_ns, kTableInterval, view.tables_expected);
  late(Trouble::pmt, view.last_pmt_ns, kTableInterval, view.tables_expected);
  late(Trouble::pcr, view.last_pcr_ns, kPcrInterval, view.tables_expected || view.last_pcr_ns != 0);
  note(input, Trouble::sync, !view.synchronous, now_ns);
  note(input, Trouble::scrambled, view.scrambled, now_ns);
  note(input, Trouble::pid, view.pid_missing, now_ns);
  note_cc(input, now_ns);
  note_bitrate(input, now_ns);
  note_seen(input, now_ns);

  input.has_data = view.last_packet_ns != 0 && lasts(input, index(Trouble::no_data), now_ns) <= after_ns_;
  input.lasting = 0;
  input.troubled = false;
  bool lapsed = !input.has_data;
  for (std::size_t trouble = 0; trouble < protocol::kTroubles; ++trouble) {
    if ((when_ & bit(trouble)) == 0) continue;
    const std::int64_t time = lasts(input, trouble, now_ns);
    input.troubled = input.troubled || time > kYoung;
    if (time > after_ns_) input.lasting |= bit(trouble);
    lapsed = lapsed || time > std::min(after_ns_, kLapse);
  }
  if (lapsed) {
    input.good_since_ns = 0;
  } else if (input.good_since_ns == 0) {
    input.good_since_ns = now_ns;
  }
}

std::int64_t Failover::lasts(const Input& input, std::size_t trouble, std::int64_t now_ns) const noexcept {
  const std::int64_t since = input.since[trouble];
  if (since == 0) return 0;
  return trouble == index(Trouble::cc) ? input.cc_last_ns - since : now_ns - since;
}

bool Failover::held(const Input& input, std::int64_t now_ns) const noexcept {
  return input.good_since_ns != 0 && now_ns - input.good_since_ns >= hold_ns_;
}

// The most preferred input without troubles; kMaxInputs where none is. Those that have none at all go before
// those whose trouble is too young to count.
std::size_t Failover::best_good() const noexcept {
  for (const bool whole : {true, false}) {
    for (std::size_t i = 0; i < count_; ++i) {
      const Input& input = inputs_[i];
      if (input.has_data && input.lasting == 0 && (!whole || input.good_since_ns != 0)) return i;
    }
  }
  return kMaxInputs;
}

void Failover::set_chosen(std::size_t input, std::int64_t now_ns) noexcept {
  if (input == chosen_) return;
  if ((inputs_[chosen_].lasting & kSeen) != 0) {
    inputs_[chosen_].left_ns = now_ns;
    inputs_[chosen_].seen_well_ns = 0;
  }
  chosen_ = input;
  inputs_[chosen_].left_ns = 0;
}

std::size_t Failover::choose(std::int64_t now_ns) noexcept {
  if (forced_ < count_) {
    set_chosen(forced_, now_ns);
    return chosen_;
  }
  const Input& current = inputs_[chosen_];
  if (current.lasting == 0) {
    std::size_t preferred = chosen_;
    for (std::size_t i = 0; back_ && i < preferred; ++i) {
      if (inputs_[i].lasting == 0 && held(inputs_[i], now_ns)) preferred = i;
    }
    set_chosen(preferred, now_ns);
    return chosen_;
  }
  if (const std::size_t best = best_good(); best < count_) {
    set_chosen(best, now_ns);
    return chosen_;
  }
  // All are bad: a stream with troubles is better than none.
  if (current.has_data) return chosen_;
  for (std::size_t i = 0; i < count_; ++i) {
    if (!inputs_[i].has_data) continue;
    set_chosen(i, now_ns);
    break;
  }
  return chosen_;
}

bool Failover::change_ahead() const noexcept {
  if (forced_ < count_ || !inputs_[chosen_].troubled) return false;
  for (std::size_t i = 0; i < count_; ++i) {
    if (i != chosen_ && inputs_[i].has_data && inputs_[i].lasting == 0) return true;
  }
  return false;
}

std::uint32_t Failover::troubles(std::size_t input) const noexcept {
  return input < count_ ? inputs_[input].lasting : 0;
}

}  // namespace headgate::fastpath
