// Makes transport streams by hand for the bridge's tests: services with their tables, PES packets of MPEG-2
// pictures and of MPEG audio frames, PCR, scrambling. Threading: owned by one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "mpegts/psi/section.h"
#include "mpegts/psi/tables.h"

namespace headgate::bridge::test {

using Bytes = std::vector<std::uint8_t>;

inline void append(Bytes& to, std::span<const std::uint8_t> more) {
  to.insert(to.end(), more.begin(), more.end());
}

// ISO/IEC 13818-2 6.2.2: an I picture behind sequence and closed GOP header (320x240, 25 a second), or a P
// picture.
inline Bytes picture(bool intra, std::size_t size) {
  Bytes out;
  if (intra) {
    append(out, Bytes{0, 0, 1, 0xB3, 0x14, 0x00, 0xF0, 0x23, 0xFF, 0xFF, 0xE0, 0x00});
    append(out, Bytes{0, 0, 1, 0xB8, 0x00, 0x08, 0x00, 0x40});
  }
  append(out, Bytes{0, 0, 1, 0x00, 0x00, static_cast<std::uint8_t>(intra ? 0x0F : 0x17), 0xFF, 0xF8});
  append(out, Bytes{0, 0, 1, 0x01});
  while (out.size() < size) out.push_back(static_cast<std::uint8_t>(0x40 + out.size() % 64));
  return out;
}

// A layer II frame of 24 ms.
inline Bytes audio_frame() {
  Bytes frame(576, 0);
  frame[0] = 0xFF;
  frame[1] = 0xFD;
  frame[2] = 0xA4;
  return frame;
}

class Broadcast {
 public:
  struct Stream {
    std::uint16_t pid;
    std::uint8_t type;
  };
  struct Service {
    std::uint16_t number;
    std::uint16_t pmt_pid;
    std::uint16_t pcr_pid;
    std::vector<Stream> streams;
  };

  void tables(const std::vector<Service>& services) {
    mpegts::Pat pat;
    for (const Service& s : services) pat.entries.push_back({s.number, mpegts::Pid{s.pmt_pid}});
    section(0, pat.to_section());
    for (const Service& s : services) {
      mpegts::Pmt pmt;
      pmt.program_number = s.number;
      pmt.pcr_pid = mpegts::Pid{s.pcr_pid};
      for (const Stream& e : s.streams) pmt.streams.push_back({e.type, mpegts::Pid{e.pid}, {}});
      section(s.pmt_pid, pmt.to_section());
    }
  }

  // Times in 90 kHz.
  struct Pes {
    std::uint16_t pid;
    std::uint8_t stream_id;
    std::uint64_t pts;
    Bytes payload;
    std::optional<std::uint64_t> dts = std::nullopt;
    std::optional<std::uint64_t> pcr = std::nullopt;
    bool bounded = false;
    bool scrambled = false;
  };
  void pes(const Pes& wanted) {
    Bytes bytes{0,
                0,
                1,
                wanted.stream_id,
                0,
                0,
                0x80,
                static_cast<std::uint8_t>(wanted.dts ? 0xC0 : 0x80),
                static_cast<std::uint8_t>(wanted.dts ? 10 : 5)};
    stamp(bytes, wanted.dts ? 3 : 2, wanted.pts);
    if (wanted.dts) stamp(bytes, 1, *wanted.dts);
    append(bytes, wanted.payload);
    if (wanted.bounded) {
      bytes[4] = static_cast<std::uint8_t>((bytes.size() - 6) >> 8);
      bytes[5] = static_cast<std::uint8_t>(bytes.size() - 6);
    }
    for (std::size_t at = 0; at < bytes.size();) at += packet(wanted, bytes, at);
  }

  void section(std::uint16_t pid, const Bytes& section) {
    const Bytes packed = mpegts::pack_section(mpegts::Pid{pid}, section, counters_[pid]);
    counters_[pid] = static_cast<std::uint8_t>((counters_[pid] + packed.size() / mpegts::kPacketSize) & 0x0F);
    append(out_, packed);
  }

  Bytes take() { return std::exchange(out_, {}); }

 private:
  static void stamp(Bytes& to, int prefix, std::uint64_t t) {
    t &= mpegts::kPtsModulus - 1;
    to.push_back(static_cast<std::uint8_t>(static_cast<std::uint64_t>(prefix) << 4 | (t >> 29 & 0x0E) | 1));
    to.push_back(static_cast<std::uint8_t>(t >> 22));
    to.push_back(static_cast<std::uint8_t>(t >> 14 | 1));
    to.push_back(static_cast<std::uint8_t>(t >> 7));
    to.push_back(static_cast<std::uint8_t>(t << 1 | 1));
  }

  std::size_t packet(const Pes& wanted, const Bytes& bytes, std::size_t at) {
    const bool first = at == 0;
    Bytes field;
    if (first && wanted.pcr) {
      const std::uint64_t base = *wanted.pcr & (mpegts::kPtsModulus - 1);
      field = {0x10,
               static_cast<std::uint8_t>(base >> 25),
               static_cast<std::uint8_t>(base >> 17),
               static_cast<std::uint8_t>(base >> 9),
               static_cast<std::uint8_t>(base >> 1),
               static_cast<std::uint8_t>(base << 7 | 0x7E),
               0};
    }
    const std::size_t most = 184 - (field.empty() ? 0 : field.size() + 1);
    const std::size_t size = std::min(most, bytes.size() - at);
    const std::size_t room = 184 - size;  // for the adaptation field
    out_.push_back(0x47);
    out_.push_back(static_cast<std::uint8_t>((first ? 0x40 : 0) | wanted.pid >> 8));
    out_.push_back(static_cast<std::uint8_t>(wanted.pid));
    std::uint8_t& counter = counters_[wanted.pid];
    out_.push_back(
        static_cast<std::uint8_t>((wanted.scrambled ? 0x80 : 0) | (room > 0 ? 0x30 : 0x10) | counter));
    counter = (counter + 1) & 0x0F;
    if (room > 0) {
      out_.push_back(static_cast<std::uint8_t>(room - 1));
      if (room > 1 && field.empty()) field.push_back(0);
      append(out_, field);
      out_.insert(out_.end(), room - 1 - field.size(), 0xFF);
    }
    append(out_, std::span(bytes).subspan(at, size));
    return size;
  }

  Bytes out_;
  std::map<std::uint16_t, std::uint8_t> counters_;
};

}  // namespace headgate::bridge::test
