#include "dataplane/bridge/watch/coded_sizes.h"

#include <algorithm>

namespace headgate::bridge::watch {
namespace {

constexpr double kFalls = 0.4;  // of the usual size, below which the last pictures have collapsed
constexpr double kRises = 0.6;  // above which they have not any more
// Against the lowest of a while; the bytes cover what transport packets are filled up with.
constexpr double kSteep = 4;
constexpr double kSteepBytes = 600;
constexpr double kSteepShare = 0.25;    // of the usual, at least
constexpr double kUsualPictures = 250;  // how many weigh in the usual size
constexpr std::size_t kEstablished = 25;
// What lies low for so long is how this picture is coded.
constexpr std::int64_t kAccepted = 30'000'000'000;

}  // namespace

double CodedSizes::median() const noexcept {
  std::array<double, kWindow> sorted = sizes_;
  std::nth_element(sorted.begin(), sorted.begin() + kWindow / 2, sorted.end());
  return sorted[kWindow / 2];
}

void CodedSizes::on_unit(std::size_t bytes, bool random_access, std::int64_t now_ns) noexcept {
  if (random_access) return;
  sizes_[count_ % kWindow] = static_cast<double>(bytes);
  times_[count_ % kWindow] = now_ns;
  ++count_;
  if (count_ < kWindow) return;
  const double size = median();
  if (count_ == kWindow) usual_ = low_ = size;
  if (size > std::max(kSteep * low_ + kSteepBytes, kSteepShare * usual_)) {
    rose_ns_ = now_ns;
    low_ = size;
  }
  low_ = std::min(low_, size);
  if (collapsed_since_ns_ == 0 && count_ > kEstablished && size < kFalls * usual_) {
    // The median fell with the picture in the middle of the window.
    collapsed_since_ns_ = std::max<std::int64_t>(times_[(count_ + kWindow / 2) % kWindow], 1);
  } else if (collapsed_since_ns_ != 0 && size > kRises * usual_) {
    collapsed_since_ns_ = 0;
  } else if (collapsed_since_ns_ != 0 && now_ns - collapsed_since_ns_ > kAccepted) {
    collapsed_since_ns_ = 0;
    usual_ = size;
  }
  if (collapsed_since_ns_ != 0) return;
  usual_ += (size - usual_) / std::min(kUsualPictures, static_cast<double>(count_));
}

}  // namespace headgate::bridge::watch
