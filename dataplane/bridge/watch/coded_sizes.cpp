#include "dataplane/bridge/watch/coded_sizes.h"

#include <algorithm>

namespace headgate::bridge::watch {
namespace {

constexpr double kFalls = 0.4;  // of the usual size, below which the last pictures have collapsed
// Against the lowest since, from which on they have risen; the bytes cover headers.
constexpr double kSteep = 3;
constexpr double kSteepBytes = 150;
constexpr double kUsualPictures = 100;    // how many weigh in the usual size
constexpr double kHighPictures = 10'000;  // over how many the highest is forgotten
constexpr double kAsUsual = 0.5;
constexpr std::size_t kEstablished = 25;
constexpr double kSmallAccess = 0.25;  // of the usual random access point
constexpr double kUsualAccesses = 8;   // how many weigh in that

}  // namespace

std::size_t coded_bytes(std::span<const std::uint8_t> packets) noexcept {
  constexpr std::size_t kPacket = 188;
  constexpr std::size_t kHeader = 4;
  constexpr std::uint8_t kAdaptation = 0x20, kPayload = 0x10;
  std::size_t bytes = 0;
  for (std::size_t at = 0; at + kPacket <= packets.size(); at += kPacket) {
    const std::uint8_t control = packets[at + 3];
    if ((control & kPayload) == 0) continue;
    const std::size_t field = (control & kAdaptation) != 0 ? std::size_t{packets[at + kHeader]} + 1 : 0;
    bytes += kPacket - kHeader - std::min(field, kPacket - kHeader);
  }
  return bytes;
}

double CodedSizes::median() const noexcept {
  std::array<double, kWindow> sorted = sizes_;
  std::nth_element(sorted.begin(), sorted.begin() + kWindow / 2, sorted.end());
  return sorted[kWindow / 2];
}

bool CodedSizes::as_usual() const noexcept { return usual_ >= kAsUsual * high_; }

void CodedSizes::on_unit(std::size_t bytes, bool random_access, std::int64_t now_ns) noexcept {
  if (random_access) {
    // A picture of nothing is small as a whole, too, where what moves in it was small before.
    const double size = static_cast<double>(bytes);
    if (usual_access_ > 0 && size < kSmallAccess * usual_access_) {
      small_access_ns_ = now_ns;
      usual_access_ = size;
    } else if (size > kSteep * usual_access_ + kSteepBytes) {
      small_access_ns_ = 0;
    }
    usual_access_ += usual_access_ > 0 ? (size - usual_access_) / kUsualAccesses : size;
    return;
  }
  sizes_[count_ % kWindow] = static_cast<double>(bytes);
  times_[count_ % kWindow] = now_ns;
  ++count_;
  if (count_ < kWindow) return;
  const double size = median();
  if (count_ == kWindow) usual_ = low_ = size;
  if (size > kSteep * low_ + kSteepBytes) {
    rose_ns_ = now_ns;
    small_access_ns_ = 0;
    low_ = size;
    collapsed_since_ns_ = 0;
  }
  if (count_ > kEstablished && size < kFalls * usual_) {
    // The median fell with the picture in the middle of the window. What counts as usual begins anew there,
    // so that a calm scene that stops is seen, too.
    collapsed_since_ns_ = std::max<std::int64_t>(times_[(count_ + kWindow / 2) % kWindow], 1);
    usual_ = size;
  }
  low_ = std::min(low_, size);
  usual_ += (size - usual_) / std::min(kUsualPictures, static_cast<double>(count_));
  high_ = std::max(high_ * (1 - 1 / kHighPictures), usual_);
}

}  // namespace headgate::bridge::watch
