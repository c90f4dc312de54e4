// What a receiver that looks at nothing but times finds in each kind of output: whether any of them goes
// back, or away from the time that passes. By the standards alone: nothing here is the product's code.
// References: ISO/IEC 13818-1:2022 2.4.3.4, 2.4.3.5, 2.4.3.7; Adobe RTMP 1.0 5.3; RFC 8216 4.3. Threading:
// owned by one thread. Memory: a few numbers each.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace headgate::fastpath::test {

// How far a clock strays from the time that passes, from when it was set.
class Pace {
 public:
  void set(double seconds, std::int64_t now_ns) {
    began_s_ = seconds;
    began_ns_ = now_ns;
  }
  void take(double seconds, std::int64_t now_ns) {
    const double off = seconds - began_s_ - static_cast<double>(now_ns - began_ns_) / 1e9;
    least = std::min(least, off);
    most = std::max(most, off);
    last = off;
  }
  double last = 0;
  double least = 0;
  double most = 0;

 private:
  double began_s_ = 0;
  std::int64_t began_ns_ = 0;
};

// A transport stream. Times may only jump where the stream announces it.
class WarpTs {
 public:
  std::uint64_t packets = 0;
  std::uint64_t cc_errors = 0;
  std::uint64_t announced = 0;   // discontinuity_indicator with a PCR
  std::uint64_t pcrs_back = 0;   // not announced
  std::uint64_t pcrs_ahead = 0;  // more than a second on, not announced
  std::uint64_t stamps_back = 0;
  std::uint64_t stamps_far = 0;  // more than ten seconds from the PCR
  std::uint64_t pcr_wraps = 0;
  std::uint64_t units = 0;  // PES packets
  std::int64_t longest_pcr_interval = 0;
  Pace pace;

  // The next packets don't join the ones before: announced by other means.
  void expect_jump() { ++generation_; }

  void take(std::span<const std::uint8_t> stream, std::int64_t now_ns) {
    for (std::size_t at = 0; at + 188 <= stream.size(); at += 188) packet(stream.data() + at, now_ns);
  }
  // Of the first PES packet since it was last emptied, 90 kHz.
  std::optional<std::int64_t> first_dts;

 private:
  static constexpr std::int64_t kStampTurn = std::int64_t{1} << 33;
  static constexpr std::int64_t kPcrTurn = kStampTurn * 300;

  // The value nearest `last` that looks like this.
  static std::int64_t unroll(std::int64_t value, std::int64_t last, std::int64_t turn) {
    std::int64_t step = (value - last) % turn;
    if (step < -turn / 2) step += turn;
    if (step >= turn / 2) step -= turn;
    return last + step;
  }
  struct PidState {
    int counter = -1;
    std::optional<std::int64_t> dts;
    std::uint64_t generation = 0;
  };

  void packet(const std::uint8_t* p, std::int64_t now_ns) {
    ++packets;
    const int pid = (p[1] & 0x1F) << 8 | p[2];
    if (p[0] != 0x47 || pid == 0x1FFF) return;
    PidState& state = pids_[static_cast<std::size_t>(pid)];
    const bool field = (p[3] & 0x20) != 0, payload = (p[3] & 0x10) != 0;
    const int counter = p[3] & 15;
    if (state.counter >= 0 && counter != ((state.counter + (payload ? 1 : 0)) & 15)) ++cc_errors;
    state.counter = counter;
    if (field && p[4] >= 7 && (p[5] & 0x10) != 0) on_pcr(p, now_ns);
    const std::size_t body = field ? 5 + std::size_t{p[4]} : 4;
    if (payload && (p[1] & 0x40) != 0 && body + 19 <= 188 && p[body] == 0 && p[body + 1] == 0 &&
        p[body + 2] == 1)
      on_pes(state, p + body);
  }
  void on_pcr(const std::uint8_t* p, std::int64_t now_ns) {
    const std::int64_t base = std::int64_t{p[6]} << 25 | p[7] << 17 | p[8] << 9 | p[9] << 1 | p[10] >> 7;
    const std::int64_t pcr = base * 300 + ((p[10] & 1) << 8 | p[11]);
    const bool marked = (p[5] & 0x80) != 0;
    if (marked) {
      ++announced;
      ++generation_;
    }
    if (!pcr_ || marked || pcr_generation_ != generation_) {
      pcr_ = pcr;
      pace.set(static_cast<double>(pcr) / 27e6, now_ns);
    } else {
      const std::int64_t next = unroll(pcr, *pcr_, kPcrTurn);
      if (next < *pcr_) ++pcrs_back;
      if (next > *pcr_ + 27'000'000) ++pcrs_ahead;
      if (next / kPcrTurn != *pcr_ / kPcrTurn) ++pcr_wraps;
      longest_pcr_interval = std::max(longest_pcr_interval, next - *pcr_);
      pcr_ = next;
    }
    pcr_generation_ = generation_;
    pace.take(static_cast<double>(*pcr_) / 27e6, now_ns);
  }
  static std::int64_t stamp(const std::uint8_t* b) {
    return std::int64_t{b[0] >> 1 & 7} << 30 | b[1] << 22 | b[2] >> 1 << 15 | b[3] << 7 | b[4] >> 1;
  }
  void on_pes(PidState& state, const std::uint8_t* b) {
    ++units;
    if ((b[7] & 0x80) == 0) return;
    std::int64_t dts = stamp((b[7] & 0x40) != 0 ? b + 14 : b + 9);
    const bool joins = state.dts && state.generation == generation_;
    if (joins) {
      dts = unroll(dts, *state.dts, kStampTurn);
      if (dts < *state.dts) ++stamps_back;
    }
    if (pcr_ && pcr_generation_ == generation_) {
      const std::int64_t ahead = unroll(dts * 300, *pcr_, kPcrTurn) - *pcr_;
      if (std::abs(ahead) > 270'000'000) ++stamps_far;
    }
    state.dts = dts;
    state.generation = generation_;
    if (!first_dts) first_dts = dts;
  }

  std::array<PidState, 8192> pids_{};
  std::optional<std::int64_t> pcr_;
  std::uint64_t generation_ = 0;
  std::uint64_t pcr_generation_ = 0;
};

// RTMP's chunks: the 32-bit times of sound and pictures.
class WarpRtmp {
 public:
  std::uint64_t messages[2] = {0, 0};  // sound, pictures
  std::uint64_t back = 0;              // within one of them
  std::uint64_t unreadable = 0;
  Pace pace;

  void take(std::span<const std::uint8_t> bytes, std::int64_t now_ns) {
    in_.insert(in_.end(), bytes.begin(), bytes.end());
    std::size_t at = 0;
    while (const std::size_t size = chunk(std::span(in_).subspan(at), now_ns)) at += size;
    in_.erase(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(at));
  }

 private:
  struct Stream {
    std::uint32_t time = 0;
    std::uint32_t field = 0;
    std::uint32_t length = 0;
    std::uint32_t left = 0;
    std::uint8_t type = 0;
    std::uint32_t first_four = 0;
  };
  static std::uint32_t number(const std::uint8_t* b, int bytes) {
    std::uint32_t value = 0;
    for (int i = 0; i < bytes; ++i) value = value << 8 | b[i];
    return value;
  }

  // How long it is; 0: not all of it is there.
  std::size_t chunk(std::span<const std::uint8_t> in, std::int64_t now_ns) {
    if (in.empty()) return 0;
    const unsigned format = in[0] >> 6;
    const unsigned id = in[0] & 0x3F;
    if (id < 2) ++unreadable;  // longer ids: nobody of ours has them
    static constexpr std::array<std::size_t, 4> kHeader{11, 7, 3, 0};
    std::size_t at = 1 + kHeader[format];
    if (in.size() < at + 4) return 0;
    Stream stream = streams_[id];
    if (format < 3) stream.field = number(&in[1], 3);
    const bool extended = stream.field == 0xFFFFFF;
    const std::uint32_t time = extended ? number(&in[at], 4) : stream.field;
    if (extended) at += 4;
    if (format < 2) {
      stream.length = number(&in[4], 3);
      stream.type = in[7];
    }
    const bool begins = stream.left == 0;
    if (begins) {
      stream.left = stream.length;
      stream.time = format == 0 ? time : stream.time + time;
    }
    const std::uint32_t size = std::min(stream.left, chunk_size_);
    if (in.size() < at + size) return 0;
    if (begins && size >= 4) stream.first_four = number(&in[at], 4);
    stream.left -= size;
    streams_[id] = stream;
    if (stream.left == 0) message(stream, now_ns);
    return at + size;
  }
  void message(const Stream& stream, std::int64_t now_ns) {
    if (stream.type == 1) chunk_size_ = stream.first_four;
    if (stream.type != 8 && stream.type != 9) return;
    if ((stream.first_four >> 16 & 0xFF) == 0) return;  // decoder configuration has the time of what follows
    const std::size_t which = stream.type - 8U;
    std::int64_t& last = last_ms_[which];
    if (messages[0] + messages[1] == 0) {
      last_ms_[0] = last_ms_[1] = stream.time;
      pace.set(stream.time / 1e3, now_ns);
    }
    if (messages[which] == 0) last = std::max(last_ms_[0], last_ms_[1]);
    const auto step = static_cast<std::int32_t>(stream.time - static_cast<std::uint32_t>(last));
    if (step < 0 && messages[which] > 0) ++back;
    last += step;
    ++messages[which];
    pace.take(static_cast<double>(last) / 1e3, now_ns);
  }

  std::vector<std::uint8_t> in_;
  std::map<unsigned, Stream> streams_;
  std::uint32_t chunk_size_ = 128;
  std::int64_t last_ms_[2] = {0, 0};
};

// An HLS media playlist, read each time that it changes.
class WarpHls {
 public:
  struct Segment {
    std::int64_t number = 0;
    double duration = 0;
    double unix = 0;  // PROGRAM-DATE-TIME, told or added up
    bool told = false;
    bool discontinuity = false;
    bool gap = false;
    std::string uri;
  };
  std::uint64_t segments = 0;
  std::uint64_t gaps = 0;
  std::uint64_t discontinuities = 0;
  std::uint64_t numbers_back = 0;
  std::uint64_t changed = 0;     // segments that are not what they were
  std::uint64_t dates_back = 0;  // PROGRAM-DATE-TIME before the end of the segment before
  double largest_date_gap = 0;   // seconds between that end and the next date
  double total = 0;              // of EXTINF
  double first_unix = 0;
  double last_end = 0;
  Pace pace;  // of the end of the last segment

  // Those that were not there before.
  std::vector<Segment> take(std::string_view text, std::int64_t now_ns) {
    std::vector<Segment> fresh;
    std::int64_t number = 0;
    Segment next;
    std::optional<double> unix;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      std::string_view line = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      const auto value = [&](std::string_view tag) -> std::optional<std::string> {
        if (!line.starts_with(tag)) return std::nullopt;
        return std::string(line.substr(tag.size()));
      };
      if (const auto v = value("#EXT-X-MEDIA-SEQUENCE:")) {
        number = std::atoll(v->c_str());
        if (number < sequence_) ++numbers_back;
        sequence_ = number;
      } else if (const auto date = value("#EXT-X-PROGRAM-DATE-TIME:")) {
        unix = unix_of(*date);
        next.told = true;
      } else if (const auto length = value("#EXTINF:")) {
        next.duration = std::atof(length->c_str());
      } else if (line == "#EXT-X-DISCONTINUITY") {
        next.discontinuity = true;
      } else if (line == "#EXT-X-GAP") {
        next.gap = true;
      } else if (!line.empty() && line[0] != '#') {
        next.number = number++;
        next.uri = line;
        next.unix = unix.value_or(0);
        if (unix) *unix += next.duration;
        on_segment(next, fresh, now_ns);
        next = {};
      }
    }
    return fresh;
  }

 private:
  static double unix_of(const std::string& date) {
    int year = 0, month = 0, day = 0, hour = 0, minute = 0;
    double second = 0;
    if (std::sscanf(date.c_str(), "%d-%d-%dT%d:%d:%lf", &year, &month, &day, &hour, &minute, &second) != 6)
      return 0;
    // Days since 1970 by the civil calendar, counted from March.
    const int y = month > 2 ? year : year - 1, m = (month + 9) % 12;
    const std::int64_t days = 365LL * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719'468;
    return static_cast<double>(days) * 86'400 + hour * 3600 + minute * 60 + second;
  }
  void on_segment(const Segment& segment, std::vector<Segment>& fresh, std::int64_t now_ns) {
    if (const auto known = listed_.find(segment.number); known != listed_.end()) {
      const Segment& was = known->second;
      if (was.uri != segment.uri || was.duration != segment.duration || was.gap != segment.gap ||
          was.discontinuity != segment.discontinuity || std::abs(was.unix - segment.unix) > 0.002)
        ++changed;
      return;
    }
    if (segments == 0) {
      first_unix = segment.unix;
      pace.set(segment.unix + segment.duration, now_ns);
    } else {
      if (segment.unix < last_end - 0.002) ++dates_back;
      largest_date_gap = std::max(largest_date_gap, segment.unix - last_end);
      if (segment.number <= listed_.rbegin()->first) ++numbers_back;
    }
    ++segments;
    gaps += segment.gap ? 1 : 0;
    discontinuities += segment.discontinuity ? 1 : 0;
    total += segment.duration;
    last_end = segment.unix + segment.duration;
    pace.take(last_end, now_ns);
    listed_.emplace(segment.number, segment);
    while (listed_.size() > 64) listed_.erase(listed_.begin());
    fresh.push_back(segment);
  }

  std::int64_t sequence_ = 0;
  std::map<std::int64_t, Segment> listed_;
};

}  // namespace headgate::fastpath::test
