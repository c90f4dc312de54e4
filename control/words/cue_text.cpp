#include "control/words/cue_text.h"

#include <fmt/core.h>

namespace headgate::control::words {

double seconds(std::uint64_t ticks) { return static_cast<double>(ticks) / 90'000; }

std::string hex(const std::vector<std::uint8_t>& bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

std::string upid_text(const std::vector<std::uint8_t>& upid) {
  for (const std::uint8_t byte : upid) {
    if (byte < 0x20 || byte > 0x7E) return "0x" + hex(upid);
  }
  return {upid.begin(), upid.end()};
}

std::string segment_text(const mpegts::SegmentationDescriptor& segment) {
  std::string text = fmt::format("segmentation event {}", segment.event_id);
  if (segment.cancel) return text + " cancelled";
  const std::string name = mpegts::segmentation_type_name(segment.type_id);
  text += "  " + (name.empty() ? fmt::format("type 0x{:02x}", segment.type_id) : name);
  text += fmt::format(" {}/{}", segment.segment_num, segment.segments_expected);
  if (segment.duration) text += fmt::format(" for {:.1f} s", seconds(*segment.duration));
  if (!segment.upid.empty())
    text += fmt::format("  upid 0x{:02x} {}", segment.upid_type, upid_text(segment.upid));
  return text;
}

std::string command_text(const mpegts::SpliceInfo& info) {
  if (info.encrypted) return "encrypted";
  std::string text = mpegts::to_string(info.command_type);
  if (const auto* insert = std::get_if<mpegts::SpliceInsert>(&info.command)) {
    text += fmt::format(" event {}", insert->event_id);
    if (insert->cancel) return text + " cancelled";
    text += insert->out_of_network ? " out" : " in";
    if (insert->immediate) text += " at once";
    if (insert->duration)
      text += fmt::format(" for {:.1f} s{}", seconds(*insert->duration),
                          insert->auto_return ? ", auto return" : "");
  } else if (const auto* command = std::get_if<mpegts::PrivateCommand>(&info.command)) {
    text += fmt::format(" 0x{:08x}", command->identifier);
  }
  return text;
}

}  // namespace headgate::control::words
