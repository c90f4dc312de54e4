#include "mpegts/si/si_time.h"

namespace headgate::mpegts {
namespace {

constexpr std::int64_t kUnixEpochMjd = 40'587;  // 1970-01-01
constexpr std::int64_t kDay = 86'400;

std::optional<std::uint32_t> bcd(std::uint8_t byte, std::uint32_t below) noexcept {
  const std::uint32_t tens = byte >> 4, ones = byte & 0x0FU;
  if (ones > 9 || tens > 9 || tens * 10 + ones >= below) return std::nullopt;
  return tens * 10 + ones;
}

std::uint8_t to_bcd(std::int64_t value) noexcept {
  return static_cast<std::uint8_t>(value / 10 << 4 | value % 10);
}

}  // namespace

std::optional<std::uint32_t> bcd_duration(std::span<const std::uint8_t, 3> bytes) noexcept {
  const auto hours = bcd(bytes[0], 100), minutes = bcd(bytes[1], 60), seconds = bcd(bytes[2], 60);
  if (!hours || !minutes || !seconds) return std::nullopt;
  return *hours * 3600 + *minutes * 60 + *seconds;
}

std::optional<std::int64_t> si_time(std::span<const std::uint8_t, 5> bytes) noexcept {
  const auto time = bcd_duration(bytes.last<3>());
  if (!time || *time >= kDay) return std::nullopt;
  return ((bytes[0] << 8 | bytes[1]) - kUnixEpochMjd) * kDay + *time;
}

void put_si_time(std::span<std::uint8_t, 5> to, std::int64_t unix_s) noexcept {
  const std::int64_t seconds = unix_s + kUnixEpochMjd * kDay;
  const std::int64_t day = seconds / kDay, time = seconds % kDay;
  to[0] = static_cast<std::uint8_t>(day >> 8);
  to[1] = static_cast<std::uint8_t>(day & 0xFF);
  to[2] = to_bcd(time / 3600);
  to[3] = to_bcd(time / 60 % 60);
  to[4] = to_bcd(time % 60);
}

}  // namespace headgate::mpegts
