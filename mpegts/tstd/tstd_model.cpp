#include "mpegts/tstd/tstd_model.h"

namespace headgate::mpegts {

// B_sys is worked out as far as the packet takes to leave TB_sys, which is before the next one does.
void SystemBuffers::enter(std::int64_t tick, std::int64_t duration, std::int64_t section_bytes,
                          std::int64_t before) noexcept {
  constexpr std::int64_t kThrough = TransportBuffer::kPacket / TransportBuffer::kSystemLeak;
  if (free_ <= tick) {
    busy_since_ = tick;
    late_ = false;
  } else if (!late_ && tick - busy_since_ > kTicksPerSecond) {
    late_ = true;
    ++not_emptied_;
  }
  const std::int64_t begin = std::max(tick, free_);
  const std::int64_t end = std::max(tick + duration, begin + kThrough);
  constexpr auto kSize = static_cast<std::int64_t>(kPacketSize);
  const std::int64_t first = (end - begin) * before / kSize;
  const std::int64_t filling = (end - begin) * section_bytes / kSize;
  main_ = std::max<std::int64_t>(0, main_ - (begin + first - free_) * drain_);
  main_ = std::max<std::int64_t>(0, main_ + section_bytes * 8 * TransportBuffer::kUnit - filling * drain_);
  const std::int64_t peak = transport_.peak(tick, duration);
  const bool transport_over = peak > TransportBuffer::kOverfull;
  const bool main_over = TransportBuffer::bytes(main_) > kBytes;
  most_transport_ = std::max(most_transport_, peak);
  most_main_ = std::max(most_main_, main_);
  transport_overflows_ += transport_over ? 1 : 0;
  main_overflows_ += main_over ? 1 : 0;
  overflows_ += transport_over || main_over ? 1 : 0;
  main_ = std::max<std::int64_t>(0, main_ - (end - begin - first - filling) * drain_);
  transport_.admit(tick, duration);
  free_ = end;
}

}  // namespace headgate::mpegts
