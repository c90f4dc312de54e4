#include "dataplane/transcode/sound/decoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>

extern "C" {
#include <libavutil/downmix_info.h>
#include <libavutil/opt.h>
}

namespace headgate::transcode::sound {
namespace {

constexpr std::size_t kMaxFrameBytes = 128 * 1024;

const AVCodec* decoder_for(const std::string& codec) {
  const char* name = codec == "mp4a.40.32"           ? "mp1float"
                     : codec == "mp4a.40.33"         ? "mp2float"
                     : codec == "mp4a.40.34"         ? "mp3float"
                     : codec == "ac-3"               ? "ac3"
                     : codec == "ec-3"               ? "eac3"
                     : codec == "dts"                ? "dca"
                     : codec == "opus"               ? "opus"
                     : codec == "latm"               ? "aac_latm"
                     : codec.starts_with("mp4a.40.") ? "aac"
                                                     : nullptr;
  return name != nullptr ? avcodec_find_decoder_by_name(name) : nullptr;
}

// Levels out of a stream that is damaged may be anything.
double level(double value, double otherwise) {
  return std::isfinite(value) && value >= 0 && value <= 2 ? value : otherwise;
}

}  // namespace

std::unique_ptr<Decoder> Decoder::open(const std::string& codec) {
  const AVCodec* found = decoder_for(codec);
  if (found == nullptr) return nullptr;
  std::unique_ptr<Decoder> made(new Decoder);
  made->codec_.reset(avcodec_alloc_context3(found));
  made->packet_.reset(av_packet_alloc());
  made->frame_.reset(av_frame_alloc());
  AVCodecContext* c = made->codec_.get();
  if (c == nullptr || made->packet_ == nullptr || made->frame_ == nullptr) return nullptr;
  c->thread_count = 1;
  c->max_samples = kMaxFrameSamples;
  c->pkt_timebase = {1, 48000};
  if (found->id == AV_CODEC_ID_OPUS) {
    // Two channels: an Opus decoder makes them of mono as well (RFC 6716 2.1.2).
    av_channel_layout_default(&c->ch_layout, 2);
    c->sample_rate = 48000;
  }
  // What carries a check sum is thrown away where that is wrong: noise is worse than silence.
  if (found->id == AV_CODEC_ID_AC3 || found->id == AV_CODEC_ID_EAC3 || found->id == AV_CODEC_ID_MP1 ||
      found->id == AV_CODEC_ID_MP2) {
    c->err_recognition = AV_EF_CRCCHECK | AV_EF_EXPLODE;
  }
  AVDictionary* options = nullptr;
  if (found->id == AV_CODEC_ID_AC3 || found->id == AV_CODEC_ID_EAC3)
    av_dict_set(&options, "drc_scale", "0", 0);
  if (found->id == AV_CODEC_ID_DTS) av_dict_set(&options, "core_only", "1", 0);
  const int opened = avcodec_open2(c, found, &options);
  av_dict_free(&options);
  return opened < 0 ? nullptr : std::move(made);
}

bool Decoder::send(std::span<const std::uint8_t> frame) {
  if (frame.empty() || frame.size() > kMaxFrameBytes) return false;
  padded_.assign(frame.begin(), frame.end());
  padded_.resize(frame.size() + AV_INPUT_BUFFER_PADDING_SIZE);
  packet_->data = padded_.data();
  packet_->size = static_cast<int>(frame.size());
  const int sent = avcodec_send_packet(codec_.get(), packet_.get());
  packet_->data = nullptr;
  packet_->size = 0;
  return sent >= 0;
}

const Sound* Decoder::receive(bool& good) {
  const int got = avcodec_receive_frame(codec_.get(), frame_.get());
  if (got == AVERROR(EAGAIN) || got == AVERROR_EOF) return nullptr;
  if (got < 0 || !take_planes()) {
    good = false;
    return nullptr;
  }
  return &sound_;
}

bool Decoder::take_planes() {
  const AVFrame& f = *frame_;
  const int channels = f.ch_layout.nb_channels;
  if (channels < 1 || channels > kMaxChannels || f.sample_rate < kMinRate || f.sample_rate > kMaxRate ||
      f.nb_samples < 1 || f.nb_samples > kMaxFrameSamples) {
    return false;
  }
  AVChannelLayout layout = f.ch_layout;
  if (layout.order == AV_CHANNEL_ORDER_UNSPEC) av_channel_layout_default(&layout, channels);
  sound_.samples = f.nb_samples;
  sound_.rate = f.sample_rate;
  sound_.planes.clear();
  sound_.channels.clear();
  converted_.resize(std::max<std::size_t>(converted_.size(), static_cast<std::size_t>(channels)));
  const auto samples = static_cast<std::size_t>(f.nb_samples);
  for (int i = 0; i < channels; ++i) {
    sound_.channels.push_back(av_channel_layout_channel_from_index(&layout, static_cast<unsigned>(i)));
    std::vector<float>& own = converted_[static_cast<std::size_t>(i)];
    own.resize(samples);
    const std::uint8_t* plane = f.extended_data[i];
    const std::uint8_t* packed = f.extended_data[0];
    const std::size_t step = static_cast<std::size_t>(channels), first = static_cast<std::size_t>(i);
    switch (f.format) {
      case AV_SAMPLE_FMT_FLTP:
        std::memcpy(own.data(), plane, samples * sizeof(float));
        break;
      case AV_SAMPLE_FMT_S16P:
        for (std::size_t n = 0; n < samples; ++n)
          own[n] = static_cast<float>(reinterpret_cast<const std::int16_t*>(plane)[n]) / 32768.0F;
        break;
      case AV_SAMPLE_FMT_S32P:
        for (std::size_t n = 0; n < samples; ++n)
          own[n] = static_cast<float>(reinterpret_cast<const std::int32_t*>(plane)[n]) / 2147483648.0F;
        break;
      case AV_SAMPLE_FMT_FLT:
        for (std::size_t n = 0; n < samples; ++n)
          own[n] = reinterpret_cast<const float*>(packed)[n * step + first];
        break;
      default:
        return false;
    }
    // A damaged frame may hold what is no number, and a filter would keep it for ever.
    for (float& x : own) x = std::abs(x) <= 8.0F ? x : (x > 8.0F ? 8.0F : x < -8.0F ? -8.0F : 0.0F);
    sound_.planes.push_back(own.data());
  }
  sound_.mix = MixLevels{};
  if (const AVFrameSideData* side = av_frame_get_side_data(&f, AV_FRAME_DATA_DOWNMIX_INFO)) {
    const auto* info = reinterpret_cast<const AVDownmixInfo*>(side->data);
    sound_.mix.center = level(info->center_mix_level, sound_.mix.center);
    sound_.mix.surround = level(info->surround_mix_level, sound_.mix.surround);
  }
  return true;
}

void Decoder::flush() { avcodec_flush_buffers(codec_.get()); }

}  // namespace headgate::transcode::sound
