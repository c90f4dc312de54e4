// Sources that send a program in real time, and what a receiver of their splice sees. Everything is
// generated: pictures are headers and filling that tells whose they are. Threading: owned by one thread.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mpegts/pes/pes_packet.h"
#include "mpegts/psi/section.h"
#include "mpegts/psi/tables.h"
#include "mpegts/remux/packet_edit.h"
#include "mpegts/remux/splicer.h"
#include "ts_builder.h"

namespace headgate::mpegts::test {

inline constexpr std::int64_t kMs = 1'000'000;
inline constexpr std::int64_t kStart = 1'700'000'000'000'000'000;  // Unix time of the first packet
inline constexpr std::int64_t kFrame = 40 * kMs;

using Bytes = std::vector<std::uint8_t>;

struct Timed {
  std::int64_t ns;
  std::size_t input;
  Packet packet;
};

inline PmtStream track(std::uint8_t type, std::uint16_t pid, const std::string& language = {}) {
  PmtStream s{type, Pid{pid}, {}};
  if (!language.empty()) {
    s.descriptors.bytes = {0x0A, 4, 0, 0, 0, 0};
    std::copy_n(language.begin(), 3, s.descriptors.bytes.begin() + 2);
  }
  return s;
}

// Writes PTS and DTS as 2.4.3.7 has it.
inline void put_time(Bytes& to, int prefix, std::uint64_t t) {
  t %= kPtsModulus;
  to.push_back(static_cast<std::uint8_t>(static_cast<std::uint64_t>(prefix) << 4 | (t >> 29 & 0x0E) | 1));
  to.push_back(static_cast<std::uint8_t>(t >> 22));
  to.push_back(static_cast<std::uint8_t>(t >> 14 | 1));
  to.push_back(static_cast<std::uint8_t>(t >> 7));
  to.push_back(static_cast<std::uint8_t>(t << 1 | 1));
}

// One program, in real time: a picture every 40 ms sent over 36 ms, sound every 120 ms, tables every 80 ms, a
// PCR with each picture.
struct Source {
  std::uint8_t tag = 1;  // in the filling of what it sends
  std::uint16_t program = 1;
  std::uint16_t pmt_pid = 0x1000;
  std::uint16_t pcr_pid = 0x100;
  std::vector<PmtStream> tracks{track(0x02, 0x100), track(0x03, 0x101, "eng")};
  std::uint64_t clock = 1'000'000;  // 90 kHz at `begin`
  std::int64_t begin = kStart;
  std::int64_t lead_ms = 500;  // from the PCR to the DTS of what is sent
  std::int64_t late_ns = 0;    // every other packet arrives so late
  int gop = 25;
  int first_key = 0;  // the picture that is the first random access point; negative: there is none
  bool open_group = false;
  std::size_t picture_size = 3000;
  std::size_t headers = 0;  // bytes between a random access point's first byte and its slice
  bool scrambled = false;

  std::vector<Timed> packets;  // by time
  std::map<std::uint16_t, std::uint8_t> counters{};

  std::uint64_t clock_at(std::int64_t ns) const {
    return clock + static_cast<std::uint64_t>(ns - begin) * 9 / 100'000;
  }

  Bytes picture(std::uint8_t type, int k, bool key) const {
    Bytes b;
    const auto add = [&](std::initializer_list<int> values) {
      for (const int v : values) b.push_back(static_cast<std::uint8_t>(v));
    };
    const bool leading = open_group && gop_place(k) >= 1 && gop_place(k) <= 2 && k >= 2;
    const auto fill_headers = [&](int sei) {
      if (key && headers > 0) {
        add({0, 0, 1, sei});
        if (type == 0x24) add({1});
        add({5});  // user_data_unregistered, so that it is no recovery point
        for (std::size_t left = headers; left >= 255; left -= 255) add({255});
        add({static_cast<int>(headers % 255)});
        b.insert(b.end(), headers, 0x55);
        add({0x80});
      }
    };
    if (type == 0x02) {
      if (key) {
        add({0, 0, 1, 0xB3, 0x14, 0x00, 0xF0, 0x23, 0xFF, 0xFF, 0xE0, 0x00});
        b.insert(b.end(), headers, 0x55);
        add({0, 0, 1, 0xB8, 0x00, 0x08, 0x00, open_group ? 0x00 : 0x40});
      }
      add({0, 0, 1, 0x00, 0x00, key ? 0x0F : (leading ? 0x1F : 0x17), 0xFF, 0xF8, 0, 0, 1, 1});
    } else if (type == 0x1B) {
      add({0, 0, 0, 1, 0x09, 0xF0});
      fill_headers(0x06);
      add({0, 0, 1, key ? 0x65 : 0x41, 0xE0, 0xFF});
    } else {
      add({0, 0, 0, 1, 0x46, 0x01, 0x50});
      fill_headers(0x4E);
      const int nal = key ? (open_group ? 21 : 19) : (leading ? 9 : 1);
      add({0, 0, 1, nal << 1, 1, 0xE0, 0xFF});
    }
    if (b.size() < picture_size) b.resize(picture_size, static_cast<std::uint8_t>(0x40 + tag));
    b.back() = static_cast<std::uint8_t>(0xC0 + tag);
    return b;
  }
  int gop_place(int k) const { return first_key < 0 ? k + 1000 : (k - first_key % gop + gop) % gop; }

  void pes(std::int64_t ns, std::int64_t over, std::uint16_t pid, std::uint8_t stream_id,
           const Bytes& payload, std::uint64_t pts, std::uint64_t dts, bool bounded, bool pcr,
           bool random_access) {
    Bytes b{0,
            0,
            1,
            stream_id,
            0,
            0,
            0x80,
            static_cast<std::uint8_t>(pts == dts ? 0x80 : 0xC0),
            static_cast<std::uint8_t>(pts == dts ? 5 : 10)};
    put_time(b, pts == dts ? 2 : 3, pts);
    if (pts != dts) put_time(b, 1, dts);
    b.insert(b.end(), payload.begin(), payload.end());
    if (bounded) {
      b[4] = static_cast<std::uint8_t>((b.size() - 6) >> 8);
      b[5] = static_cast<std::uint8_t>(b.size() - 6);
    }
    const auto count = static_cast<std::int64_t>(b.size() / 184 + 2);
    std::int64_t at = ns;
    for (std::size_t from = 0; from < b.size(); at += over / count) {
      Bytes field;
      if (from == 0 && (pcr || random_access)) {
        field.push_back(static_cast<std::uint8_t>((pcr ? 0x10 : 0) | (random_access ? 0x40 : 0)));
        if (pcr) {
          const std::uint64_t base = clock_at(at) % kPtsModulus;
          for (const int shift : {25, 17, 9, 1}) field.push_back(static_cast<std::uint8_t>(base >> shift));
          field.push_back(static_cast<std::uint8_t>(base << 7 | 0x7E));
          field.push_back(0);
        }
      }
      const std::size_t most = 184 - (field.empty() ? 0 : field.size() + 1);
      const std::size_t size = std::min(most, b.size() - from), room = 184 - size;
      Packet p;
      p.fill(0xFF);
      p[0] = 0x47;
      p[1] = static_cast<std::uint8_t>((from == 0 ? 0x40 : 0) | pid >> 8);
      p[2] = static_cast<std::uint8_t>(pid);
      p[3] = static_cast<std::uint8_t>((scrambled ? 0x80 : 0) | (room > 0 ? 0x30 : 0x10));
      if (room > 0) {
        p[4] = static_cast<std::uint8_t>(room - 1);
        if (room > 1 && field.empty()) field.push_back(0);
        std::copy(field.begin(), field.end(), p.begin() + 5);
      }
      std::copy_n(b.begin() + static_cast<std::ptrdiff_t>(from), size,
                  p.begin() + 4 + static_cast<int>(room));
      packets.push_back({at, 0, p});
      from += size;
    }
  }
  void section(std::int64_t ns, std::uint16_t pid, const Bytes& section) {
    for (const Packet& p : split(pack_section(Pid{pid}, section, 0))) packets.push_back({ns, 0, p});
  }
  Pmt pmt() const {
    Pmt pmt;
    pmt.program_number = program;
    pmt.pcr_pid = Pid{pcr_pid};
    pmt.streams = tracks;
    return pmt;
  }
  void tables(std::int64_t ns) {
    Pat pat;
    pat.transport_stream_id = program;
    pat.entries = {{program, Pid{pmt_pid}}};
    section(ns, 0, pat.to_section());
    section(ns, pmt_pid, pmt().to_section());
  }

  void frame(int k) {
    const std::int64_t ns = begin + k * kFrame;
    if (k % 2 == 0) tables(ns);
    bool clocked = false;
    std::uint8_t id = 0;
    for (const PmtStream& t : tracks) {
      const StreamKind kind = stream_kind(t);
      const std::uint64_t lead = static_cast<std::uint64_t>(lead_ms) * 90;
      const std::uint64_t dts = clock_at(ns) + lead;
      if (is_video(kind)) {
        const bool key = gop_place(k) == 0;
        const int place = gop_place(k);
        // Two leading pictures behind the key picture of an open group.
        const std::uint64_t delay = !open_group ? 0 : place == 0 ? 3 : place <= 2 ? 0 : 1;
        pes(ns + kMs, 36 * kMs, t.pid.value, 0xE0, picture(t.stream_type, k, key), dts + delay * 3600, dts,
            false, t.pid.value == pcr_pid, key);
        clocked = clocked || t.pid.value == pcr_pid;
      } else if (is_audio(kind) && k % 3 == 0) {
        Bytes b(1000, static_cast<std::uint8_t>(0x40 + tag));
        b.back() = static_cast<std::uint8_t>(0xC0 + tag);
        const bool pcr = t.pid.value == pcr_pid;
        // Sound is sent 300 ms later than the pictures that it goes with.
        const std::uint64_t pts = dts - std::min<std::uint64_t>(lead, 27'000) + 9000;
        pes(ns + (5 + id) * kMs, 60 * kMs, t.pid.value, static_cast<std::uint8_t>(0xC0 + id), b, pts, pts,
            true, pcr, true);
        ++id;
        clocked = clocked || pcr;
      }
    }
    if (!clocked && pcr_pid != 0x1FFF) {
      Packet p = pcr_packet(pcr_pid, 0, clock_at(ns) % kPtsModulus * 300);
      p[3] = 0x20;
      p[4] = 183;
      packets.push_back({ns, 0, p});
    }
  }

  // What it sends from `begin` on for so long, with counters.
  std::vector<Timed> run(std::size_t input, std::int64_t seconds_ms) {
    packets.clear();
    for (int k = 0; k * 40 < seconds_ms; ++k) frame(k);
    std::stable_sort(packets.begin(), packets.end(), [](auto& a, auto& b) { return a.ns < b.ns; });
    bool odd = false;
    for (Timed& t : packets) {
      t.input = input;
      std::uint8_t& counter = counters[view(t.packet).pid().value];
      if (!view(t.packet).has_payload()) {
        t.packet[3] = static_cast<std::uint8_t>((t.packet[3] & 0xF0) | ((counter + 15) & 0x0F));
        continue;
      }
      t.packet[3] = static_cast<std::uint8_t>((t.packet[3] & 0xF0) | counter);
      counter = (counter + 1) & 0x0F;
      if ((odd = !odd)) t.ns += late_ns;
    }
    return packets;
  }
};

// Cuts a stretch out of what a source sends.
inline std::vector<Timed> without(std::vector<Timed> packets, std::int64_t from_ms, std::int64_t to_ms) {
  std::erase_if(
      packets, [&](const Timed& t) { return t.ns >= kStart + from_ms * kMs && t.ns < kStart + to_ms * kMs; });
  return packets;
}

struct Pes {
  std::int64_t ns;  // when its end was known
  std::uint16_t pid;
  std::uint64_t pts, dts;
  int tag;     // whose; 0: cut off
  bool whole;  // neither damaged nor cut off
  bool damaged;
  Bytes payload;
};

// Feeds a splicer, and reads what leaves as a receiver would.
class Rig final : public PesSink {
 public:
  explicit Rig(std::size_t inputs) : splicer(inputs) {}

  Splicer splicer;
  std::vector<Timed> out;
  std::vector<std::int64_t> splices;
  std::multimap<std::int64_t, std::function<void()>> actions;  // by milliseconds
  bool polled = true;                                          // on_time() every 20 ms

  void at(std::int64_t ms, std::function<void()> action) { actions.emplace(ms, std::move(action)); }
  void want_at(std::int64_t ms, std::size_t input) {
    at(ms, [this, ms, input] { splicer.want(input, kStart + ms * kMs); });
  }

  void run(std::vector<std::vector<Timed>> inputs, std::int64_t until_ms) {
    std::vector<Timed> all;
    for (auto& i : inputs) all.insert(all.end(), i.begin(), i.end());
    std::stable_sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.ns < b.ns; });
    std::size_t next = 0;
    for (std::int64_t ms = 0; ms < until_ms; ms += 20) {
      const std::int64_t now = kStart + ms * kMs;
      for (; next < all.size() && all[next].ns < now; ++next) {
        take(splicer.on_packet(all[next].input, view(all[next].packet), all[next].ns), all[next].ns);
      }
      while (!actions.empty() && actions.begin()->first <= ms) {
        actions.begin()->second();
        actions.erase(actions.begin());
      }
      if (polled) take(splicer.on_time(now), now);
    }
    for (; next < all.size(); ++next) {
      take(splicer.on_packet(all[next].input, view(all[next].packet), all[next].ns), all[next].ns);
    }
  }
  void take(std::span<const std::uint8_t> bytes, std::int64_t ns) {
    ASSERT_EQ(bytes.size() % kPacketSize, 0U);
    if (splicer.take_splice()) splices.push_back((ns - kStart) / kMs);
    for (std::size_t at = 0; at < bytes.size(); at += kPacketSize) {
      Timed t{ns, 0, {}};
      std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), kPacketSize, t.packet.begin());
      out.push_back(t);
    }
  }

  // PES packets of a PID in the order of their ends.
  std::vector<Pes> pes(std::uint16_t pid) {
    PesAssembler assembler{Pid{pid}};
    found_.clear();
    for (const Timed& t : out) {
      now_ = t.ns;
      if (view(t.packet).pid().value == pid) assembler.on_packet(view(t.packet), *this);
    }
    assembler.flush(*this);
    return found_;
  }
  // Of the output, by its PCR PID: the largest and smallest step against the time that passed, and gap.
  struct Clock {
    std::size_t count = 0;
    std::int64_t worst_ns = 0;  // deviation of PCR from elapsed time, from the first on
    std::int64_t gap_ns = 0;
    bool backwards = false;
    int discontinuities = 0;
  };
  Clock clock(std::uint16_t pid, std::int64_t from_ms = 0) const {
    Clock c;
    std::uint64_t first = 0, last = 0;
    std::int64_t first_ns = 0, last_ns = 0;
    for (const Timed& t : out) {
      const TsPacket p = view(t.packet);
      if (p.pid().value != pid || !p.has_pcr() || t.ns < kStart + from_ms * kMs) continue;
      const std::uint64_t pcr = p.pcr()->ticks;
      if (c.count++ == 0) {
        first = pcr;
        first_ns = t.ns;
      } else {
        if (remux::wrap_distance(pcr, last, kPcrModulus) <= 0) c.backwards = true;
        c.gap_ns = std::max(c.gap_ns, t.ns - last_ns);
        const std::int64_t passed = remux::wrap_distance(pcr, first, kPcrModulus) * 1000 / 27;
        c.worst_ns = std::max(c.worst_ns, std::abs(passed - (t.ns - first_ns)));
      }
      c.discontinuities += p.discontinuity() ? 1 : 0;
      last = pcr;
      last_ns = t.ns;
    }
    return c;
  }
  // PIDs whose counter does not go on, each once per break.
  std::vector<std::uint16_t> counter_breaks() const {
    std::vector<std::uint16_t> breaks;
    std::map<std::uint16_t, std::uint8_t> last;
    for (const Timed& t : out) {
      const TsPacket p = view(t.packet);
      if (p.pid() == kNullPid) continue;
      const auto known = last.find(p.pid().value);
      if (known != last.end() &&
          p.continuity_counter() != ((known->second + (p.has_payload() ? 1 : 0)) & 0x0F)) {
        breaks.push_back(p.pid().value);
      }
      last[p.pid().value] = p.continuity_counter();
    }
    return breaks;
  }
  // The PMTs that came, each when it differs from the one before.
  std::vector<Pmt> pmts(std::uint16_t pid) const {
    struct Sink final : SectionSink {
      std::vector<Pmt> found;
      int crc_errors = 0;
      void on_section(Pid, std::span<const std::uint8_t> section) noexcept override {
        const auto pmt = Pmt::parse(section);
        if (pmt && (found.empty() || !(found.back() == *pmt))) found.push_back(*pmt);
      }
      void on_crc_error(Pid) noexcept override { ++crc_errors; }
    } sink;
    SectionAssembler assembler{Pid{pid}};
    for (const Timed& t : out) assembler.on_packet(view(t.packet), sink);
    EXPECT_EQ(sink.crc_errors, 0);
    return sink.found;
  }
  std::int64_t longest_gap(std::uint16_t pid, std::int64_t from_ms, std::int64_t to_ms) const {
    std::int64_t last = kStart + from_ms * kMs, gap = 0;
    for (const Timed& t : out) {
      if (view(t.packet).pid().value != pid || t.ns < last || t.ns > kStart + to_ms * kMs) continue;
      gap = std::max(gap, t.ns - last);
      last = t.ns;
    }
    return std::max(gap, kStart + to_ms * kMs - last) / kMs;
  }

 private:
  void on_pes(Pid pid, const PesPacket& p) override {
    const auto in = p.payload;
    const int end = in.empty() ? 0 : in.back();
    found_.push_back({now_, pid.value, p.header.pts ? p.header.pts->ticks : 0,
                      p.header.dts ? p.header.dts->ticks : 0, end > 0xC0 && end < 0xD0 ? end - 0xC0 : 0,
                      !p.damaged && end > 0xC0 && end < 0xD0, p.damaged, Bytes(in.begin(), in.end())});
  }
  std::vector<Pes> found_;
  std::int64_t now_ = 0;
};

inline Source first_source() { return {}; }

// The same service from elsewhere: other PIDs, another clock.
inline Source second_source() {
  Source s;
  s.tag = 2;
  s.program = 7;
  s.pmt_pid = 0x40;
  s.pcr_pid = 0x51;
  s.tracks = {track(0x02, 0x51), track(0x03, 0x52, "eng")};
  s.clock = 77'000'000;
  s.begin = kStart + 7 * kMs;
  s.first_key = 11;
  s.counters = {{0x51, 5}, {0x52, 11}};
  return s;
}

inline std::vector<int> tags(const std::vector<Pes>& list) {
  std::vector<int> tags;
  for (const Pes& p : list) {
    if (tags.empty() || tags.back() != p.tag) tags.push_back(p.tag);
  }
  return tags;
}

inline const Pes& first_of(const std::vector<Pes>& list, int tag) {
  return *std::find_if(list.begin(), list.end(), [&](const Pes& p) { return p.tag == tag; });
}

inline bool is_key(const Pes& p) { return p.payload.size() > 4 && p.payload[3] == 0xB3; }

// Never back, whatever their distance.
inline ::testing::AssertionResult rises(const std::vector<Pes>& list) {
  for (std::size_t i = 1; i < list.size(); ++i) {
    if (remux::wrap_distance(list[i].dts, list[i - 1].dts, kPtsModulus) <= 0) {
      return ::testing::AssertionFailure() << "DTS " << list[i - 1].dts << " then " << list[i].dts << " at "
                                           << (list[i].ns - kStart) / kMs << " ms";
    }
  }
  return ::testing::AssertionSuccess();
}

}  // namespace headgate::mpegts::test
