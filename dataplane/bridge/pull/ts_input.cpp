#include "dataplane/bridge/pull/ts_input.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace headgate::bridge::pull {
namespace {

constexpr std::size_t kKept = 512;

std::string_view trimmed_start(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  while (!text.empty() && (text[0] == ' ' || text[0] == '\t' || text[0] == '\r' || text[0] == '\n')) {
    text.remove_prefix(1);
  }
  return text;
}

}  // namespace

std::string describe_content(std::span<const std::uint8_t> first) {
  const std::string_view raw{reinterpret_cast<const char*>(first.data()), first.size()};
  const std::string_view text = trimmed_start(raw);
  if (text.starts_with("#EXTM3U")) return "an HLS playlist: its address must end in .m3u8";
  if (text.starts_with('<')) return "a web page or XML";
  if (text.starts_with('{') || text.starts_with('[')) return "JSON";
  if (raw.starts_with("FLV")) return "FLV";
  if (raw.starts_with("ID3")) return "packed audio with ID3 tags";
  if (raw.starts_with("WEBVTT")) return "WebVTT subtitles";
  if (raw.starts_with("\x1A\x45\xDF\xA3")) return "Matroska or WebM";
  if (raw.starts_with("\x1F\x8B")) return "compressed (gzip)";
  if (raw.size() >= 8) {
    for (const std::string_view box : {"ftyp", "styp", "moof", "sidx", "moov", "emsg"}) {
      if (raw.substr(4, 4) == box) return "MP4";
    }
  }
  if (first.size() >= 2 && first[0] == 0xFF && (first[1] & 0xF6) == 0xF0) return "packed audio (ADTS)";
  return "";
}

std::string TsInput::nothing_found() const {
  if (first_.empty()) return "no transport stream: it is empty";
  const std::string what = describe_content(first_);
  if (!what.empty()) return "no transport stream, but " + what;
  return fmt::format("no transport stream: no sync bytes in the first {} bytes",
                     std::min(searched_, kMaxSearch));
}

std::string TsInput::drain(PacedQueue& to) {
  while (const auto item = reader_.next()) {
    if (reader_.packet_size() != mpegts::kPacketSize) {
      return fmt::format(
          "transport packets of {} bytes are not supported, only of 188: remux it, for example with "
          "ffmpeg -i IN -map 0 -c copy OUT.ts",
          reader_.packet_size());
    }
    to.push(item->packet);
  }
  if (reader_.counters().packets == 0 && searched_ >= kMaxSearch) return nothing_found();
  return "";
}

std::string TsInput::push(std::span<const std::uint8_t> bytes, PacedQueue& to) {
  // In pieces, so that what is no transport stream is found out early.
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min(bytes.size(), kMaxSearch));
    bytes = bytes.subspan(piece.size());
    if (first_.size() < kKept) {
      first_.insert(
          first_.end(), piece.begin(),
          piece.begin() + static_cast<std::ptrdiff_t>(std::min(piece.size(), kKept - first_.size())));
    }
    if (reader_.counters().packets == 0) searched_ += piece.size();
    reader_.push(piece);
    if (std::string why = drain(to); !why.empty()) return why;
  }
  return "";
}

std::string TsInput::finish(PacedQueue& to) {
  reader_.finish();
  if (std::string why = drain(to); !why.empty()) return why;
  return reader_.counters().packets == 0 ? nothing_found() : "";
}

}  // namespace headgate::bridge::pull
