// What players of crowd_client make of the bytes they get: a list of units, each with a hash of its content
// and the time at which it was there. RTMP: messages of sound and picture. Transport streams: packets that
// are neither tables nor stuffing. References: Adobe RTMP 1.0, 5.3, 5.4, 7.1; FLV 10.1 E.4; ISO/IEC
// 13818-1:2022 2.4.3. Threading: each reader is owned by one thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace headgate::test {

struct Unit {
  std::uint64_t hash;
  std::uint32_t stamp;  // RTMP: ms
  std::uint32_t arrival_us;
};

// A time of the stream's own clock, and when it arrived.
struct Mark {
  std::int64_t stream_us;
  std::uint32_t arrival_us;
};

inline std::uint64_t hash_of(std::span<const std::uint8_t> bytes, std::uint64_t seed = 0) {
  std::uint64_t hash = 0x9E3779B97F4A7C15 ^ seed ^ bytes.size();
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, std::min<std::size_t>(8, bytes.size() - at));
    hash = (hash ^ word) * 0xFF51AFD7ED558CCD;
    hash ^= hash >> 32;
  }
  return hash;
}

class Reader {
 public:
  virtual ~Reader() = default;
  virtual void take(std::span<const std::uint8_t> bytes, std::uint32_t now_us) = 0;
  std::vector<Unit> units;
  std::vector<Mark> marks;
  std::string problem;                // it is not what it should be; "": all is well
  std::string answer;                 // to be sent back
  std::vector<std::uint8_t>* file{};  // where set: takes the media, as FLV or as transport stream
};

class RtmpReader final : public Reader {
 public:
  void take(std::span<const std::uint8_t> bytes, std::uint32_t now_us) override {
    in_.insert(in_.end(), bytes.begin(), bytes.end());
    std::size_t at = 0;
    while (problem.empty() && chunk(at, now_us)) {
    }
    in_.erase(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(at));
  }

 private:
  struct Stream {
    std::uint32_t timestamp = 0, field = 0, length = 0;
    std::uint8_t type = 0;
    bool extended = false;
    std::vector<std::uint8_t> body;
  };
  std::uint32_t big(std::size_t at, std::size_t size) const {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value = value << 8 | in_[at + i];
    return value;
  }

  // One chunk from `at` on; false: it is not whole yet.
  bool chunk(std::size_t& at, std::uint32_t now_us) {
    static constexpr std::size_t kHeader[] = {11, 7, 3, 0};
    const std::size_t have = in_.size() - at;
    if (have < 1) return false;
    const std::uint8_t first = in_[at];
    const std::size_t id = first & 0x3F;
    const std::size_t basic = id == 0 ? 2 : id == 1 ? 3 : 1;
    const std::size_t head = basic + kHeader[first >> 6];
    if (have < head) return false;
    Stream& known = streams_[id < 2 ? 64 + big(at + 1, basic - 1) : id];
    Stream next;  // as this header says
    next.timestamp = known.timestamp;
    next.field = known.field;
    next.length = known.length;
    next.type = known.type;
    next.extended = known.extended;
    const int form = first >> 6;
    if (form < 3) next.field = big(at + basic, 3);
    if (form < 3) next.extended = next.field == 0xFFFFFF;
    if (form < 2) next.length = big(at + basic + 3, 3);
    if (form < 2) next.type = in_[at + basic + 6];
    std::size_t size = head;
    if (next.extended) {
      if (have < size + 4) return false;
      next.field = big(at + size, 4);
      size += 4;
    }
    const bool begins = known.body.empty();
    const std::size_t piece = std::min<std::size_t>(chunk_size_, next.length - known.body.size());
    if (have < size + piece) return false;
    if (begins) next.timestamp = form == 0 ? next.field : next.timestamp + next.field;
    next.body = std::move(known.body);
    const auto from = in_.begin() + static_cast<std::ptrdiff_t>(at + size);
    next.body.insert(next.body.end(), from, from + static_cast<std::ptrdiff_t>(piece));
    known = std::move(next);
    at += size + piece;
    if (known.body.size() == known.length) {
      message(known, now_us);
      known.body.clear();
    }
    return true;
  }

  void message(const Stream& m, std::uint32_t now_us) {
    const auto value = [&](std::size_t at) {
      return std::uint32_t{m.body[at]} << 24 | std::uint32_t{m.body[at + 1]} << 16 |
             std::uint32_t{m.body[at + 2]} << 8 | m.body[at + 3];
    };
    if (m.type == 1 && m.body.size() == 4) chunk_size_ = value(0);
    if (m.type == 4 && m.body.size() == 6 && m.body[1] == 6) {  // a ping
      answer += std::string{2, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 7};
      answer.append(m.body.begin() + 2, m.body.end());
    }
    if ((m.type != 8 && m.type != 9) || m.body.size() < 2) return;
    if (file != nullptr) write_tag(m);
    const bool picture = m.type == 9;
    const bool header =
        picture ? (m.body[0] & 15) == 7 && m.body[1] == 0 : m.body[0] >> 4 == 10 && m.body[1] == 0;
    if (header) return;
    units.push_back({hash_of(m.body, m.type), m.timestamp, now_us});
    if (!picture) marks.push_back({std::int64_t{m.timestamp} * 1000, now_us});
  }

  void write_tag(const Stream& m) {
    if (file->empty()) *file = {'F', 'L', 'V', 1, 5, 0, 0, 0, 9, 0, 0, 0, 0};
    const auto put = [this](std::uint32_t value, int size) {
      for (int i = size - 1; i >= 0; --i) file->push_back(static_cast<std::uint8_t>(value >> 8 * i));
    };
    put(m.type, 1);
    put(m.length, 3);
    put(m.timestamp & 0xFFFFFF, 3);
    put(m.timestamp >> 24, 1);
    put(0, 3);
    file->insert(file->end(), m.body.begin(), m.body.end());
    put(m.length + 11, 4);
  }

  std::vector<std::uint8_t> in_;
  std::map<std::size_t, Stream> streams_;
  std::size_t chunk_size_ = 128;
};

class TsReader : public Reader {
 public:
  void take(std::span<const std::uint8_t> bytes, std::uint32_t now_us) override {
    in_.insert(in_.end(), bytes.begin(), bytes.end());
    std::size_t at = 0;
    for (; at + 188 <= in_.size() && problem.empty(); at += 188)
      packet(std::span(in_).subspan(at, 188), now_us);
    in_.erase(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(at));
  }

 private:
  void packet(std::span<const std::uint8_t> p, std::uint32_t now_us) {
    if (p[0] != 0x47) {
      problem = "no sync byte";
      return;
    }
    if (file != nullptr) file->insert(file->end(), p.begin(), p.end());
    const auto pid = static_cast<std::uint16_t>((p[1] & 0x1F) << 8 | p[2]);
    if (pid == 0 && (p[1] & 0x40) != 0) pmt_ = static_cast<std::uint16_t>((p[15] & 0x1F) << 8 | p[16]);
    if (pid < 0x20 || pid == pmt_ || pid == 0x1FFF) return;
    units.push_back({hash_of(p), 0, now_us});
    if ((p[3] & 0x20) == 0 || p[4] < 7 || (p[5] & 0x10) == 0) return;
    const std::int64_t base = std::int64_t{p[6]} << 25 | p[7] << 17 | p[8] << 9 | p[9] << 1 | p[10] >> 7;
    marks.push_back({base * 100 / 9, now_us});
  }

  std::vector<std::uint8_t> in_;
  std::uint16_t pmt_ = 0x1FFF;
};

// Behind the head of an answer of HTTP/1.0.
class HttpReader final : public Reader {
 public:
  void take(std::span<const std::uint8_t> bytes, std::uint32_t now_us) override {
    if (!body_) {
      head_.append(bytes.begin(), bytes.end());
      const std::size_t end = head_.find("\r\n\r\n");
      if (end == std::string::npos) return;
      if (head_.find(" 200 ") > 12) problem = head_.substr(0, head_.find('\r'));
      body_ = true;
      const std::string rest = head_.substr(end + 4);
      return hand_on({reinterpret_cast<const std::uint8_t*>(rest.data()), rest.size()}, now_us);
    }
    hand_on(bytes, now_us);
  }

 private:
  void hand_on(std::span<const std::uint8_t> bytes, std::uint32_t now_us) {
    if (!problem.empty()) return;
    stream_.file = file;
    stream_.units.swap(units);
    stream_.marks.swap(marks);
    stream_.take(bytes, now_us);
    stream_.units.swap(units);
    stream_.marks.swap(marks);
    problem = stream_.problem;
  }
  TsReader stream_;
  std::string head_;
  bool body_ = false;
};

}  // namespace headgate::test
