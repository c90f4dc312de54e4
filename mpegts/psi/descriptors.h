// Descriptors as views (ISO/IEC 13818-1:2022 2.6, EN 300 468 6.2): a walk over a loop that stops at the first
// one that overruns it, and the bodies that a gateway reads or writes. Nothing allocates but what returns a
// vector. Threading: values and views; the bytes belong to the caller.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "mpegts/psi/tables.h"

namespace headgate::mpegts {

// What a tag means above 0x7F depends on the private_data_specifier_descriptor before it (EN 300 468 6.2.31).
struct Descriptor {
  std::uint8_t tag = 0;
  std::span<const std::uint8_t> body;        // at most 255 bytes
  std::span<const std::uint8_t> bytes;       // the same with tag and length
  std::uint32_t private_data_specifier = 0;  // in force here; 0: none
};

// A range: for (const Descriptor& d : DescriptorLoop(bytes)).
class DescriptorLoop {
 public:
  class Iterator {
   public:
    explicit Iterator(std::span<const std::uint8_t> rest) noexcept : rest_(rest) { read(); }
    const Descriptor& operator*() const noexcept { return at_; }
    Iterator& operator++() noexcept {
      rest_ = rest_.subspan(at_.bytes.size());
      read();
      return *this;
    }
    bool operator!=(const Iterator& other) const noexcept { return rest_.size() != other.rest_.size(); }

   private:
    void read() noexcept;
    std::span<const std::uint8_t> rest_;
    Descriptor at_;
  };

  explicit DescriptorLoop(std::span<const std::uint8_t> bytes) noexcept : bytes_(bytes) {}
  explicit DescriptorLoop(const Descriptors& descriptors) noexcept : bytes_(descriptors.bytes) {}
  explicit DescriptorLoop(Descriptors&&) = delete;
  Iterator begin() const noexcept { return Iterator{bytes_}; }
  Iterator end() const noexcept { return Iterator{bytes_.last(0)}; }

 private:
  std::span<const std::uint8_t> bytes_;
};

// The body is at most 255 bytes long.
void append_descriptor(Descriptors& to, std::uint8_t tag, std::span<const std::uint8_t> body);
// Those that `keep` wants, byte for byte and in order, behind what `to` holds.
void append_some(Descriptors& to, const Descriptors& from,
                 const std::function<bool(const Descriptor&)>& keep);

struct CaDescriptor {  // 0x09, ISO/IEC 13818-1 2.6.16
  std::uint16_t system_id = 0;
  Pid pid;
};
struct LanguageEntry {  // 0x0A, ISO/IEC 13818-1 2.6.18
  std::array<char, 3> code{};
  std::uint8_t audio_type = 0;
};
struct TeletextPage {  // 0x56, EN 300 468 6.2.43
  std::array<char, 3> code{};
  std::uint8_t type = 0;
  std::uint8_t magazine = 0;  // 0 is magazine 8
  std::uint8_t page = 0;      // two hexadecimal digits
};
struct SubtitlingEntry {  // 0x59, EN 300 468 6.2.41
  std::array<char, 3> code{};
  std::uint8_t type = 0;
  std::uint16_t composition_page = 0;
  std::uint16_t ancillary_page = 0;
};
// logical_channel_descriptor, 0x83 of EACEM's private_data_specifier; some networks send it without one.
struct LogicalChannel {
  std::uint16_t service_id = 0;
  bool visible = true;
  std::uint16_t number = 0;  // 10 bits
};
struct Ac3Info {  // AC-3 0x6A, enhanced AC-3 0x7A; EN 300 468 Annex D
  std::optional<std::uint8_t> component_type, bsid, mainid, asvc;
};
struct AacInfo {  // 0x7C, EN 300 468 Annex H
  std::uint8_t profile_and_level = 0;
  std::optional<std::uint8_t> aac_type;
};
struct HevcInfo {  // 0x38, ISO/IEC 13818-1 2.6.95
  std::uint8_t profile_idc = 0;
  bool high_tier = false;
  std::uint8_t level_idc = 0;
};

inline constexpr std::uint32_t kEacemSpecifier = 0x00000028;

// Nothing, or fewer entries, where the tag is another or the body is too short.
std::optional<CaDescriptor> as_ca(const Descriptor& d) noexcept;
std::optional<std::uint32_t> as_registration(const Descriptor& d) noexcept;  // format_identifier, 0x05, 2.6.8
std::optional<std::uint8_t> as_stream_identifier(
    const Descriptor& d) noexcept;  // component_tag, 0x52, 6.2.39
std::optional<Ac3Info> as_ac3(const Descriptor& d) noexcept;
std::optional<AacInfo> as_aac(const Descriptor& d) noexcept;
std::optional<HevcInfo> as_hevc(const Descriptor& d) noexcept;
std::vector<LanguageEntry> as_languages(const Descriptor& d);
std::vector<TeletextPage> as_teletext(const Descriptor& d);
std::vector<SubtitlingEntry> as_subtitling(const Descriptor& d);
std::vector<LogicalChannel> as_logical_channels(const Descriptor& d);

// Each CA_descriptor's PID becomes what `map` says.
void map_ca_pids(Descriptors& descriptors, const std::function<Pid(Pid)>& map);

}  // namespace headgate::mpegts
