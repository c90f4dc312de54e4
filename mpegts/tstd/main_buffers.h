// What follows TB_n in the T-STD: B_n of audio, and MB_n and EB_n of video by the leak method. Data flow in
// and from MB_n to EB_n at constant rates, access units leave at once. Positions are bytes of the elementary
// stream since it began. References: ISO/IEC 13818-1:2022 2.4.2.3 to 2.4.2.6. Threading: values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "mpegts/tstd/tstd_report.h"

namespace headgate::mpegts {

// Highest level of a buffer, and how often it came to be too full: what is there may exceed the size by a
// byte, as times are whole ticks of 27 MHz.
class FillGauge {
 public:
  explicit FillGauge(std::uint64_t size = 0) noexcept { info_.size = size; }
  void see(double bytes) noexcept;
  const TstdBuffer& info() const noexcept { return info_; }
  void resize(std::uint64_t size) noexcept { info_.size = size; }
  void empty() noexcept { over_ = false; }

 private:
  TstdBuffer info_;
  bool over_ = false;
};

// PES packet headers in a buffer, each in front of the byte at its position.
class HeldHeaders {
 public:
  void add(double position, double bytes);
  // Those in front of what lies below `position` leave.
  void remove_below(double position) noexcept;
  double bytes() const noexcept { return bytes_; }
  void clear() noexcept;

 private:
  struct Header {
    double position;
    double bytes;
  };
  std::deque<Header> headers_;
  double bytes_ = 0;
};

// Times in ticks of 27 MHz; calls with rising ones.
class AudioBuffer {
 public:
  explicit AudioBuffer(std::uint64_t size = 0) noexcept : gauge_(size) {}
  void restart(double position) noexcept;
  // So many bytes come over so many ticks.
  void header(double bytes);
  void payload(double bytes) noexcept;
  // The access unit that ends at this position leaves. False: it isn't whole.
  bool remove(double end) noexcept;
  FillGauge& gauge() noexcept { return gauge_; }
  const FillGauge& gauge() const noexcept { return gauge_; }

 private:
  double level() const noexcept { return (in_ > out_ ? in_ - out_ : 0) + headers_.bytes(); }
  double in_ = 0;
  double out_ = 0;
  HeldHeaders headers_;
  FillGauge gauge_;
};

class VideoBuffers {
 public:
  VideoBuffers() = default;
  // leak: Rbx_n, bits a second.
  VideoBuffers(std::uint64_t multiplexing, std::uint64_t elementary, double leak) noexcept;
  void restart(double position, double tick) noexcept;
  void header(double bytes, double tick);
  // Time passes, while so many bytes come evenly.
  void pass(double from, double to, double bytes) noexcept;
  bool remove(double end) noexcept;
  // Times that MB_n was not empty for over a second.
  std::uint64_t not_emptied() const noexcept { return not_emptied_; }
  FillGauge& multiplexing() noexcept { return multiplexing_; }
  FillGauge& elementary() noexcept { return elementary_; }
  const FillGauge& multiplexing() const noexcept { return multiplexing_; }
  const FillGauge& elementary() const noexcept { return elementary_; }

 private:
  void see(double tick) noexcept;

  FillGauge multiplexing_;
  FillGauge elementary_;
  double leak_ = 0;   // bytes a tick
  double in_ = 0;     // came into MB
  double moved_ = 0;  // into EB
  double out_ = 0;    // left
  HeldHeaders headers_;
  double busy_since_ = 0;
  bool late_ = false;
  std::uint64_t not_emptied_ = 0;
};

}  // namespace headgate::mpegts
