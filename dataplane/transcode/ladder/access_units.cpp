#include "dataplane/transcode/ladder/access_units.h"

#include <algorithm>
#include <utility>

#include "dataplane/transcode/picture/decode.h"
#include "mpegts/es/start_code.h"

namespace headgate::transcode::ladder {

AccessUnits::AccessUnits(mpegts::StreamKind kind, Take take)
    : id_(picture::codec_id(kind)), take_(std::move(take)) {
  begin();
}

void AccessUnits::begin() {
  fresh_ = true;
  held_ = 0;
  parser_.reset(av_parser_init(id_));
  const AVCodec* codec = avcodec_find_decoder(id_);
  context_.reset(codec != nullptr ? avcodec_alloc_context3(codec) : nullptr);
}

// Returns how many bytes it took.
int AccessUnits::parse(const std::uint8_t* bytes, std::size_t size, std::optional<UnitTimes> times) {
  std::uint8_t* unit = nullptr;
  int unit_size = 0;
  const int used =
      av_parser_parse2(parser_.get(), context_.get(), &unit, &unit_size, bytes, static_cast<int>(size),
                       times ? times->pts : AV_NOPTS_VALUE, times ? times->dts : AV_NOPTS_VALUE, 0);
  held_ += static_cast<std::size_t>(std::max(used, 0));
  if (unit_size > 0) {
    held_ = 0;
    const bool timed = parser_->pts != AV_NOPTS_VALUE && parser_->dts != AV_NOPTS_VALUE;
    take_({unit, static_cast<std::size_t>(unit_size)},
          timed ? std::optional(UnitTimes{parser_->pts, parser_->dts}) : std::nullopt);
  }
  return used;
}

void AccessUnits::feed(std::span<const std::uint8_t> payload, std::optional<UnitTimes> times) {
  if (!parser_ || !context_) return;
  if (held_ + payload.size() > kMaxBytes) begin();
  if (payload.size() > kMaxBytes) return;
  if (fresh_) {
    // The rest of a unit whose beginning isn't there; with it the parser would miss the next one's time.
    if (!times) return;
    payload = payload.subspan(std::min(mpegts::es::find_start_code(payload, 0), payload.size()));
    fresh_ = false;
  }
  // Zeros behind, which parsers read.
  padded_.assign(payload.begin(), payload.end());
  padded_.resize(payload.size() + AV_INPUT_BUFFER_PADDING_SIZE, 0);
  for (std::size_t at = 0; at < payload.size();) {
    const int used = parse(padded_.data() + at, payload.size() - at, std::exchange(times, std::nullopt));
    if (used < 0) return begin();
    at += static_cast<std::size_t>(used);
  }
}

void AccessUnits::flush() {
  if (!parser_ || !context_) return;
  parse(nullptr, 0, std::nullopt);
  begin();
}

}  // namespace headgate::transcode::ladder
