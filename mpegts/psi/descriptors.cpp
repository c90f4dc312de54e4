#include "mpegts/psi/descriptors.h"

#include <cstdlib>

#include "mpegts/psi/bytes.h"

namespace headgate::mpegts {
namespace {

constexpr std::uint8_t kRegistration = 0x05;
constexpr std::uint8_t kCa = 0x09;
constexpr std::uint8_t kLanguage = 0x0A;
constexpr std::uint8_t kHevcVideo = 0x38;
constexpr std::uint8_t kStreamIdentifier = 0x52;
constexpr std::uint8_t kTeletext = 0x56;
constexpr std::uint8_t kSubtitling = 0x59;
constexpr std::uint8_t kPrivateDataSpecifier = 0x5F;
constexpr std::uint8_t kAc3 = 0x6A;
constexpr std::uint8_t kEnhancedAc3 = 0x7A;
constexpr std::uint8_t kAac = 0x7C;
constexpr std::uint8_t kLogicalChannel = 0x83;

std::uint32_t read32(std::span<const std::uint8_t> b) noexcept {
  return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
}

std::array<char, 3> read_code(std::span<const std::uint8_t> b, std::size_t at) noexcept {
  return {static_cast<char>(b[at]), static_cast<char>(b[at + 1]), static_cast<char>(b[at + 2])};
}

// The whole entries of `size` bytes that the body holds, each read by `read(body, at)`.
template <typename Entry, typename Read>
std::vector<Entry> entries(const Descriptor& d, std::uint8_t tag, std::size_t size, Read read) {
  std::vector<Entry> list;
  if (d.tag != tag) return list;
  list.reserve(d.body.size() / size);
  for (std::size_t at = 0; at + size <= d.body.size(); at += size) list.push_back(read(d.body, at));
  return list;
}

}  // namespace

void DescriptorLoop::Iterator::read() noexcept {
  if (rest_.size() < 2 || rest_.size() < std::size_t{2} + rest_[1]) {
    rest_ = rest_.last(0);
    return;
  }
  at_.tag = rest_[0];
  at_.bytes = rest_.first(std::size_t{2} + rest_[1]);
  at_.body = at_.bytes.subspan(2);
  if (at_.tag == kPrivateDataSpecifier && at_.body.size() >= 4) at_.private_data_specifier = read32(at_.body);
}

void append_descriptor(Descriptors& to, std::uint8_t tag, std::span<const std::uint8_t> body) {
  if (body.size() > 255) std::abort();
  to.bytes.push_back(tag);
  to.bytes.push_back(static_cast<std::uint8_t>(body.size()));
  to.bytes.insert(to.bytes.end(), body.begin(), body.end());
}

void append_some(Descriptors& to, const Descriptors& from,
                 const std::function<bool(const Descriptor&)>& keep) {
  for (const Descriptor& d : DescriptorLoop(from)) {
    if (keep(d)) to.bytes.insert(to.bytes.end(), d.bytes.begin(), d.bytes.end());
  }
}

std::optional<CaDescriptor> as_ca(const Descriptor& d) noexcept {
  if (d.tag != kCa || d.body.size() < 4) return std::nullopt;
  return CaDescriptor{detail::read16(d.body, 0), detail::read_pid(d.body, 2)};
}

std::optional<std::uint32_t> as_registration(const Descriptor& d) noexcept {
  if (d.tag != kRegistration || d.body.size() < 4) return std::nullopt;
  return read32(d.body);
}

std::optional<std::uint8_t> as_stream_identifier(const Descriptor& d) noexcept {
  if (d.tag != kStreamIdentifier || d.body.empty()) return std::nullopt;
  return d.body[0];
}

std::optional<Ac3Info> as_ac3(const Descriptor& d) noexcept {
  if ((d.tag != kAc3 && d.tag != kEnhancedAc3) || d.body.empty()) return std::nullopt;
  Ac3Info info;
  std::size_t at = 1;
  const auto take = [&](std::uint8_t flag, std::optional<std::uint8_t>& to) {
    if ((d.body[0] & flag) != 0 && at < d.body.size()) to = d.body[at++];
  };
  take(0x80, info.component_type);
  take(0x40, info.bsid);
  take(0x20, info.mainid);
  take(0x10, info.asvc);
  return info;
}

std::optional<AacInfo> as_aac(const Descriptor& d) noexcept {
  if (d.tag != kAac || d.body.empty()) return std::nullopt;
  AacInfo info;
  info.profile_and_level = d.body[0];
  if (d.body.size() >= 3 && (d.body[1] & 0x80) != 0) info.aac_type = d.body[2];
  return info;
}

std::optional<HevcInfo> as_hevc(const Descriptor& d) noexcept {
  if (d.tag != kHevcVideo || d.body.size() < 12) return std::nullopt;
  return HevcInfo{static_cast<std::uint8_t>(d.body[0] & 0x1F), (d.body[0] & 0x20) != 0, d.body[11]};
}

std::vector<LanguageEntry> as_languages(const Descriptor& d) {
  return entries<LanguageEntry>(d, kLanguage, 4, [](auto b, std::size_t at) {
    return LanguageEntry{read_code(b, at), b[at + 3]};
  });
}

std::vector<TeletextPage> as_teletext(const Descriptor& d) {
  return entries<TeletextPage>(d, kTeletext, 5, [](auto b, std::size_t at) {
    return TeletextPage{read_code(b, at), static_cast<std::uint8_t>(b[at + 3] >> 3),
                        static_cast<std::uint8_t>(b[at + 3] & 0x07), b[at + 4]};
  });
}

std::vector<SubtitlingEntry> as_subtitling(const Descriptor& d) {
  return entries<SubtitlingEntry>(d, kSubtitling, 8, [](auto b, std::size_t at) {
    return SubtitlingEntry{read_code(b, at), b[at + 3], detail::read16(b, at + 4), detail::read16(b, at + 6)};
  });
}

std::vector<LogicalChannel> as_logical_channels(const Descriptor& d) {
  if (d.private_data_specifier != 0 && d.private_data_specifier != kEacemSpecifier) return {};
  return entries<LogicalChannel>(d, kLogicalChannel, 4, [](auto b, std::size_t at) {
    return LogicalChannel{detail::read16(b, at), (b[at + 2] & 0x80) != 0,
                          static_cast<std::uint16_t>(detail::read16(b, at + 2) & 0x03FF)};
  });
}

void map_ca_pids(Descriptors& descriptors, const std::function<Pid(Pid)>& map) {
  for (const Descriptor& d : DescriptorLoop(descriptors)) {
    const auto ca = as_ca(d);
    if (!ca) continue;
    const std::uint16_t to = map(ca->pid).value;
    const auto at = static_cast<std::size_t>(d.body.data() - descriptors.bytes.data());
    descriptors.bytes[at + 2] = static_cast<std::uint8_t>((d.body[2] & 0xE0) | (to >> 8 & 0x1F));
    descriptors.bytes[at + 3] = static_cast<std::uint8_t>(to & 0xFF);
  }
}

}  // namespace headgate::mpegts
