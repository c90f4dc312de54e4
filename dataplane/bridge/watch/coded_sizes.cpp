#include "dataplane/bridge/watch/coded_sizes.h"

#include <algorithm>

namespace headgate::bridge::watch {
namespace {

constexpr double kFalls = 0.3;          // of the usual size, below which the last pictures have collapsed
constexpr double kRises = 0.5;          // above which they have not any more
constexpr double kLow = 0.45;           // a single picture of the run that collapsed
constexpr double kCut = 3.0;            // a picture so far above the usual shows something new
// Against the lowest of a while; the bytes cover what transport packets are filled up with.
constexpr double kSteep = 4;
constexpr double kSteepBytes = 600;
constexpr double kRoseShare = 0.25;  // of the usual, at least
constexpr double kUsualPictures = 250;  // how many weigh in the usual size
constexpr std::size_t kEstablished = 25;
// What lies low for so long is how this picture is coded.
constexpr std::int64_t kAccepted = 30'000'000'000;
constexpr std::int64_t kNearCut = 500'000'000;

}  // namespace

double CodedSizes::recent_mean() const noexcept {
  double sum = 0;
  std::size_t n = 0;
  for (std::size_t back = 1; back <= std::min(count_, kRecent) && n < kShort; ++back) {
    const Picture& picture = recent_[(count_ - back) % kRecent];
    if (picture.random_access) continue;
    sum += picture.bytes;
    ++n;
  }
  return n < kShort ? usual_ : sum / static_cast<double>(n);
}

// When the run of low pictures that ends now began.
std::int64_t CodedSizes::run_began(bool& after_cut) const noexcept {
  std::int64_t began = 0;
  std::size_t back = 1;
  for (; back <= std::min(count_, kRecent); ++back) {
    const Picture& picture = recent_[(count_ - back) % kRecent];
    if (!picture.random_access && picture.bytes > kLow * usual_) break;
    if (!picture.random_access) began = picture.ns;
  }
  after_cut = false;
  for (; back <= std::min(count_, kRecent); ++back) {
    const Picture& picture = recent_[(count_ - back) % kRecent];
    if (began - picture.ns > kNearCut) break;
    after_cut = after_cut || (!picture.random_access && picture.bytes > kCut * usual_);
  }
  return std::max<std::int64_t>(began, 1);
}

void CodedSizes::on_unit(std::size_t bytes, bool random_access, std::int64_t now_ns) noexcept {
  const auto size = static_cast<std::uint32_t>(std::min<std::size_t>(bytes, UINT32_MAX));
  recent_[count_ % kRecent] = {size, random_access, now_ns};
  ++count_;
  if (random_access) return;
  ++between_;
  const double mean = recent_mean();
  if (mean > std::max(kSteep * low_ + kSteepBytes, kRoseShare * usual_)) {
    rose_ns_ = now_ns;
    low_ = mean;
  }
  low_ = std::min(low_, mean);
  if (collapsed_since_ns_ == 0 && between_ > kEstablished && mean < kFalls * usual_) {
    collapsed_since_ns_ = run_began(after_cut_);
  } else if (collapsed_since_ns_ != 0 && mean > kRises * usual_) {
    collapsed_since_ns_ = 0;
  } else if (collapsed_since_ns_ != 0 && now_ns - collapsed_since_ns_ > kAccepted) {
    collapsed_since_ns_ = 0;
    usual_ = mean;
  }
  if (collapsed_since_ns_ != 0) return;
  const double weight = 1 / std::min(kUsualPictures, static_cast<double>(between_));
  usual_ += (static_cast<double>(size) - usual_) * weight;
}

}  // namespace headgate::bridge::watch
