#include "mpegts/es/byte_stream.h"

#include <algorithm>
#include <array>

namespace headgate::mpegts::es {
namespace {

using Bytes = std::span<const std::uint8_t>;

// Takes counted pieces off the front; ok() turns false where one is longer than what is left.
class Pieces {
 public:
  explicit Pieces(Bytes bytes) : left_(bytes) {}
  bool ok() const { return ok_; }
  bool empty() const { return left_.empty(); }
  std::size_t number(std::size_t size) {
    std::size_t value = 0;
    for (const std::uint8_t byte : bytes(size)) value = value << 8 | byte;
    return value;
  }
  Bytes bytes(std::size_t size) {
    if (size > left_.size()) {
      ok_ = false;
      left_ = {};
      return {};
    }
    const Bytes piece = left_.first(size);
    left_ = left_.subspan(size);
    return piece;
  }

 private:
  Bytes left_;
  bool ok_ = true;
};

// ITU-T H.264 table 7-1, ITU-T H.265 table 7-1.
constexpr std::uint8_t kAvcIdr = 5, kAvcDelimiter = 9, kAvcFiller = 12;
constexpr std::uint8_t kHevcFirstIrap = 16, kHevcLastIrap = 21, kHevcVps = 32, kHevcPps = 34,
                       kHevcDelimiter = 35, kHevcFiller = 38, kHevcPrefixSei = 39;

struct NalKind {
  bool slice = false;
  bool random_access = false;
  bool left_out = false;
  bool parameter_set = false;
};

NalKind kind_of(StreamKind codec, std::uint8_t first_byte) {
  if (codec == StreamKind::h264) {
    const std::uint8_t type = first_byte & 0x1F;
    return {type >= 1 && type <= kAvcIdr, type == kAvcIdr, type == kAvcDelimiter || type == kAvcFiller,
            type == 7 || type == 8 || type == 13};
  }
  const std::uint8_t type = first_byte >> 1 & 0x3F;
  return {type < kHevcVps, type >= kHevcFirstIrap && type <= kHevcLastIrap,
          type == kHevcDelimiter || type == kHevcFiller, type >= kHevcVps && type <= kHevcPps};
}

// Any slice types may follow: primary_pic_type 7 (H.264 table 7-5), pic_type 2 (H.265 table 7-2).
constexpr std::array<std::uint8_t, 6> kAvcDelimiterUnit{0, 0, 0, 1, 0x09, 0xF0};
constexpr std::array<std::uint8_t, 7> kHevcDelimiterUnit{0, 0, 0, 1, 0x46, 0x01, 0x50};

void append(std::vector<std::uint8_t>& out, Bytes nal, bool zero_byte) {
  if (zero_byte) out.push_back(0);  // H.264 B.1.2: before parameter sets
  out.insert(out.end(), {0, 0, 1});
  out.insert(out.end(), nal.begin(), nal.end());
}

}  // namespace

std::optional<ByteStreamMaker::Sets> ByteStreamMaker::read_avc(Bytes record) {
  if (record.size() < 7 || record[0] != 1) return std::nullopt;
  Sets sets;
  sets.length_size = (record[4] & 3U) + 1;
  Pieces pieces(record.subspan(5));
  for (const unsigned mask : {0x1FU, 0xFFU}) {  // numOfSequenceParameterSets, numOfPictureParameterSets
    const std::size_t count = pieces.number(1) & mask;
    for (std::size_t i = 0; i < count && pieces.ok(); ++i) {
      const Bytes nal = pieces.bytes(pieces.number(2));
      if (!nal.empty()) sets.nals.emplace_back(nal.begin(), nal.end());
    }
  }
  if (!pieces.ok() || sets.length_size == 3) return std::nullopt;
  return sets;
}

std::optional<ByteStreamMaker::Sets> ByteStreamMaker::read_hevc(Bytes record) {
  if (record.size() < 23) return std::nullopt;
  Sets sets;
  sets.length_size = (record[21] & 3U) + 1;
  if (sets.length_size == 3) return std::nullopt;
  struct Found {
    std::uint8_t type;
    Bytes nal;
  };
  std::vector<Found> found;
  Pieces pieces(record.subspan(22));
  const std::size_t arrays = pieces.number(1);
  for (std::size_t i = 0; i < arrays && pieces.ok(); ++i) {
    const auto type = static_cast<std::uint8_t>(pieces.number(1) & 0x3F);
    const std::size_t count = pieces.number(2);
    for (std::size_t k = 0; k < count && pieces.ok(); ++k) {
      const Bytes nal = pieces.bytes(pieces.number(2));
      const bool wanted = (type >= kHevcVps && type <= kHevcPps) || type == kHevcPrefixSei;
      if (wanted && nal.size() > 2) found.push_back({type, nal});
    }
  }
  if (!pieces.ok()) return std::nullopt;
  // The arrays may stand in any order; a decoder wants VPS, SPS, PPS, SEI.
  std::stable_sort(found.begin(), found.end(),
                   [](const Found& a, const Found& b) { return a.type < b.type; });
  for (const Found& each : found) sets.nals.emplace_back(each.nal.begin(), each.nal.end());
  return sets;
}

bool ByteStreamMaker::set_configuration(Bytes record) {
  auto sets = kind_ == StreamKind::h264 ? read_avc(record) : read_hevc(record);
  if (!sets) return false;
  sets_ = std::move(*sets);
  return true;
}

std::optional<ByteStreamMaker::Made> ByteStreamMaker::make(Bytes unit, bool random_access,
                                                           std::vector<std::uint8_t>& out) {
  out.clear();
  nals_.clear();
  bool slice = false;
  Pieces pieces(unit);
  while (!pieces.empty()) {
    const Bytes nal = pieces.bytes(pieces.number(sets_.length_size));
    if (!pieces.ok()) return std::nullopt;
    if (nal.empty()) continue;
    const NalKind kind = kind_of(kind_, nal[0]);
    slice = slice || kind.slice;
    random_access = random_access || kind.random_access;
    if (!kind.left_out) nals_.push_back(nal);
  }
  if (!slice) return std::nullopt;
  out.reserve(unit.size() + 256);
  if (kind_ == StreamKind::h264) {
    out.insert(out.end(), kAvcDelimiterUnit.begin(), kAvcDelimiterUnit.end());
  } else {
    out.insert(out.end(), kHevcDelimiterUnit.begin(), kHevcDelimiterUnit.end());
  }
  if (random_access) {
    for (const auto& set : sets_.nals) append(out, set, true);
  }
  for (const Bytes nal : nals_) {
    const bool set = kind_of(kind_, nal[0]).parameter_set;
    const auto same = [&](const auto& known) { return std::ranges::equal(known, nal); };
    if (set && random_access && std::any_of(sets_.nals.begin(), sets_.nals.end(), same)) continue;
    append(out, nal, set);
  }
  return Made{random_access};
}

}  // namespace headgate::mpegts::es
