#include "tests/transcode/sound_support.h"

#include <ebur128.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>
#include <random>
#include <stdexcept>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>
}

namespace headgate::transcode::sound_test {
namespace {

struct Codec {
  AVCodecContext* context = nullptr;
  AVFrame* frame = av_frame_alloc();
  AVPacket* packet = av_packet_alloc();
  explicit Codec(const AVCodec* codec) {
    if (codec == nullptr) throw std::runtime_error("this libavcodec lacks a codec of the tests");
    context = avcodec_alloc_context3(codec);
  }
  ~Codec() {
    avcodec_free_context(&context);
    av_frame_free(&frame);
    av_packet_free(&packet);
  }
  Codec(const Codec&) = delete;
  Codec& operator=(const Codec&) = delete;
};

// One plane of samples to another rate, beginning at the same time.
std::vector<float> resampled(const std::vector<float>& in, int rate) {
  if (rate == 48000) return in;
  SwrContext* swr = nullptr;
  AVChannelLayout mono = AV_CHANNEL_LAYOUT_MONO;
  swr_alloc_set_opts2(&swr, &mono, AV_SAMPLE_FMT_FLTP, 48000, &mono, AV_SAMPLE_FMT_FLTP, rate, 0, nullptr);
  swr_init(swr);
  std::vector<float> out(in.size() * 48000 / static_cast<std::size_t>(rate) + 4096);
  std::uint8_t* to = reinterpret_cast<std::uint8_t*>(out.data());
  const std::uint8_t* from = reinterpret_cast<const std::uint8_t*>(in.data());
  const int got = swr_convert(swr, &to, static_cast<int>(out.size()), &from, static_cast<int>(in.size()));
  to = reinterpret_cast<std::uint8_t*>(out.data() + got);
  const int rest = swr_convert(swr, &to, static_cast<int>(out.size()) - got, nullptr, 0);
  out.resize(static_cast<std::size_t>(got + rest));
  swr_free(&swr);
  return out;
}

float sample_of(const AVFrame& frame, int channel, int n) {
  switch (frame.format) {
    case AV_SAMPLE_FMT_FLTP:
      return reinterpret_cast<const float*>(frame.extended_data[channel])[n];
    case AV_SAMPLE_FMT_S16P:
      return static_cast<float>(reinterpret_cast<const std::int16_t*>(frame.extended_data[channel])[n]) /
             32768;
    case AV_SAMPLE_FMT_S32P:
      return static_cast<float>(reinterpret_cast<const std::int32_t*>(frame.extended_data[channel])[n]) /
             2147483648.0F;
    default:
      throw std::runtime_error("a sample format that the tests don't read");
  }
}

}  // namespace

void Collector::send(job::Message kind, const ring::MessageHeader& header,
                     std::span<const std::uint8_t> payload) {
  Stream& to = streams[header.stream];
  to.bytes += payload.size();
  if (!keep) return;
  if (kind == job::Message::frame)
    to.frames.push_back({header.pts, header.flags, Bytes(payload.begin(), payload.end())});
  if (kind == job::Message::levels) {
    to.levels.push_back(*job::read<job::SoundLevels>(payload));
    to.level_times.push_back(header.pts);
  }
  if (kind == job::Message::trouble) to.troubles.emplace_back(payload.begin(), payload.end());
}

job::StreamBegin Rig::encoding() {
  job::StreamBegin wanted;
  wanted.encode = 1;
  return wanted;
}

job::StreamBegin Rig::measuring(std::uint16_t sampled_ms) {
  job::StreamBegin wanted;
  wanted.sampled_ms = sampled_ms;
  return wanted;
}

void Rig::begin(mpegts::StreamKind kind, job::StreamBegin wanted, std::uint16_t stream) {
  ring::MessageHeader header;
  header.kind = static_cast<std::uint16_t>(job::Message::stream);
  header.stream = stream;
  wanted.codec = static_cast<std::uint8_t>(kind);
  worker->on_message(header, job::bytes_of(wanted));
}

void Rig::packet(std::optional<std::int64_t> pts, std::span<const std::uint8_t> payload, std::uint32_t flags,
                 std::uint16_t stream) {
  ring::MessageHeader header;
  header.kind = static_cast<std::uint16_t>(job::Message::packet);
  header.stream = stream;
  header.flags = flags | (pts ? 0U : job::kUntimed);
  header.pts = header.dts = pts.value_or(0);
  worker->on_message(header, payload);
}

void Rig::end(std::uint16_t stream) {
  ring::MessageHeader header;
  header.kind = static_cast<std::uint16_t>(job::Message::end);
  header.stream = stream;
  worker->on_message(header, {});
}

Source coded(const char* encoder, const Planes& planes, int rate, std::int64_t bitrate,
             const std::string& options) {
  const std::string name = encoder;
  Source source;
  source.kind = name == "aac"    ? mpegts::StreamKind::aac_adts
                : name == "ac3"  ? mpegts::StreamKind::ac3
                : name == "eac3" ? mpegts::StreamKind::eac3
                : name == "dca"  ? mpegts::StreamKind::dts
                                 : mpegts::StreamKind::mpeg_audio;
  source.rate = rate;
  Codec c(avcodec_find_encoder_by_name(encoder));
  AVCodecContext& x = *c.context;
  x.sample_rate = rate;
  x.bit_rate = bitrate;
  x.strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL;
  x.sample_fmt = c.context->codec->sample_fmts[0];
  const int channels = static_cast<int>(planes.size());
  av_channel_layout_default(&x.ch_layout, channels);
  if (channels == 6 && name == "aac") x.ch_layout = AV_CHANNEL_LAYOUT_5POINT1_BACK;
  if (channels == 6 && name != "aac") x.ch_layout = AV_CHANNEL_LAYOUT_5POINT1;
  if (channels == 5) x.ch_layout = AV_CHANNEL_LAYOUT_5POINT0;
  AVDictionary* dictionary = nullptr;
  av_dict_parse_string(&dictionary, options.c_str(), "=", ":", 0);
  if (avcodec_open2(&x, nullptr, &dictionary) < 0) throw std::runtime_error("can't open the encoder " + name);
  av_dict_free(&dictionary);
  source.samples = x.frame_size;
  const auto frame_size = static_cast<std::size_t>(x.frame_size);
  const auto receive = [&] {
    while (avcodec_receive_packet(&x, c.packet) >= 0) {
      Bytes frame;
      if (name == "aac") {
        const auto size = static_cast<unsigned>(c.packet->size) + 7;
        const unsigned index = rate == 48000 ? 3 : rate == 44100 ? 4 : rate == 32000 ? 5 : 6;
        const auto configuration = static_cast<unsigned>(channels);
        for (const unsigned b :
             {0xFFU, 0xF1U, 0x40U | index << 2 | configuration >> 2, (configuration & 3U) << 6 | size >> 11,
              size >> 3, (size & 7U) << 5 | 0x1FU, 0xFCU})
          frame.push_back(static_cast<std::uint8_t>(b));
      }
      frame.insert(frame.end(), c.packet->data, c.packet->data + c.packet->size);
      source.frames.push_back(std::move(frame));
      av_packet_unref(c.packet);
    }
  };
  for (std::size_t at = 0; at + frame_size <= planes[0].size(); at += frame_size) {
    AVFrame& f = *c.frame;
    av_frame_unref(&f);
    f.nb_samples = x.frame_size;
    f.format = x.sample_fmt;
    f.sample_rate = rate;
    av_channel_layout_copy(&f.ch_layout, &x.ch_layout);
    av_frame_get_buffer(&f, 0);
    f.pts = static_cast<std::int64_t>(at);
    for (std::size_t ch = 0; ch < planes.size(); ++ch) {
      for (std::size_t n = 0; n < frame_size; ++n) {
        const float v = planes[ch][at + n];
        switch (x.sample_fmt) {
          case AV_SAMPLE_FMT_FLTP:
            reinterpret_cast<float*>(f.extended_data[ch])[n] = v;
            break;
          case AV_SAMPLE_FMT_S16:
            reinterpret_cast<std::int16_t*>(f.data[0])[n * planes.size() + ch] =
                static_cast<std::int16_t>(std::lround(std::clamp(v, -1.0F, 0.9999F) * 32768));
            break;
          case AV_SAMPLE_FMT_S32:
            reinterpret_cast<std::int32_t*>(f.data[0])[n * planes.size() + ch] =
                static_cast<std::int32_t>(std::lround(std::clamp(v, -1.0F, 0.9999F) * 2147483647.0));
            break;
          default:
            throw std::runtime_error("a sample format that the tests don't write");
        }
      }
    }
    avcodec_send_frame(&x, &f);
    receive();
  }
  avcodec_send_frame(&x, nullptr);
  receive();
  return source;
}

void play(Rig& rig, const Source& source, std::int64_t start, std::size_t per_packet, std::size_t from,
          std::size_t to) {
  to = std::min(to, source.frames.size());
  for (std::size_t i = from; i < to; i += per_packet) {
    Bytes payload;
    for (std::size_t k = i; k < std::min(i + per_packet, to); ++k)
      payload.insert(payload.end(), source.frames[k].begin(), source.frames[k].end());
    rig.packet(start + source.time(i), payload);
  }
}

Planes music(int channels, int rate, double seconds, unsigned seed) {
  std::mt19937 random(seed);
  const auto samples = static_cast<std::size_t>(seconds * rate);
  Planes planes(static_cast<std::size_t>(channels), std::vector<float>(samples));
  double phase[3] = {0, 1, 2};
  double frequency[3] = {220, 330, 440};
  for (std::size_t n = 0; n < samples; ++n) {
    if (n % static_cast<std::size_t>(rate / 8) == 0)
      for (double& f : frequency) f = 110 * std::pow(2.0, static_cast<double>(random() % 48) / 12);
    double sum = 0;
    for (int k = 0; k < 3; ++k) {
      phase[k] += 2 * std::numbers::pi * frequency[k] / rate;
      sum += std::sin(phase[k]);
    }
    const double noise = static_cast<double>(random() % 2001) / 1000.0 - 1;
    for (std::size_t c = 0; c < planes.size(); ++c) {
      const double own = std::sin(phase[c % 3] * 2);
      planes[c][n] = static_cast<float>(0.05 * sum + 0.03 * own + 0.003 * noise);
    }
  }
  return planes;
}

Planes tone(int channels, int rate, double seconds, double frequency, double amplitude, int only) {
  const auto samples = static_cast<std::size_t>(seconds * rate);
  Planes planes(static_cast<std::size_t>(channels), std::vector<float>(samples));
  for (int c = 0; c < channels; ++c) {
    if (only >= 0 && c != only) continue;
    for (std::size_t n = 0; n < samples; ++n)
      planes[static_cast<std::size_t>(c)][n] = static_cast<float>(
          amplitude * std::sin(2 * std::numbers::pi * frequency * static_cast<double>(n) / rate));
  }
  return planes;
}

Heard decode_aac(std::span<const AacFrame> frames) {
  Heard heard;
  if (frames.empty()) return heard;
  heard.first = frames[0].pts / kGrid * 1024;
  Codec c(avcodec_find_decoder_by_name("aac"));
  avcodec_open2(c.context, nullptr, nullptr);
  for (const auto& frame : frames) {
    Bytes padded = frame.data;
    padded.resize(padded.size() + AV_INPUT_BUFFER_PADDING_SIZE);
    c.packet->data = padded.data();
    c.packet->size = static_cast<int>(frame.data.size());
    if (avcodec_send_packet(c.context, c.packet) < 0) throw std::runtime_error("a frame can't be decoded");
    while (avcodec_receive_frame(c.context, c.frame) >= 0) {
      heard.planes.resize(static_cast<std::size_t>(c.frame->ch_layout.nb_channels));
      for (int ch = 0; ch < c.frame->ch_layout.nb_channels; ++ch)
        for (int n = 0; n < c.frame->nb_samples; ++n)
          heard.planes[static_cast<std::size_t>(ch)].push_back(sample_of(*c.frame, ch, n));
    }
    c.packet->data = nullptr;
    c.packet->size = 0;
  }
  return heard;
}

Heard decode_source(const char* decoder, std::span<const Bytes> payloads, std::int64_t pts, int channels,
                    std::array<double, 2> mix, std::span<const std::int64_t> times) {
  Heard heard;
  std::int64_t first_time = AV_NOPTS_VALUE;
  std::size_t untimed = 0;  // samples before it
  heard.first = std::llround(static_cast<double>(pts) / 562.5);
  const AVCodec* codec = avcodec_find_decoder_by_name(decoder);
  Codec c(codec);
  AVDictionary* options = nullptr;
  if (codec->id == AV_CODEC_ID_AC3 || codec->id == AV_CODEC_ID_EAC3)
    av_dict_set(&options, "drc_scale", "0", 0);
  avcodec_open2(c.context, nullptr, &options);
  av_dict_free(&options);
  AVCodecParserContext* parser = av_parser_init(codec->id);
  int rate = 48000;
  heard.planes.resize(static_cast<std::size_t>(channels));
  const auto decode = [&](const std::uint8_t* data, int size) {
    c.packet->data = const_cast<std::uint8_t*>(data);
    c.packet->size = size;
    c.packet->pts = parser->pts;
    avcodec_send_packet(c.context, c.packet);
    while (avcodec_receive_frame(c.context, c.frame) >= 0) {
      rate = c.frame->sample_rate;
      const std::int64_t time = c.frame->pts;
      if (time != AV_NOPTS_VALUE && first_time == AV_NOPTS_VALUE) {
        first_time = time;
        untimed = heard.planes[0].size();
      } else if (time != AV_NOPTS_VALUE) {
        // What the time stamps leave out is silence there, too.
        const double due = static_cast<double>(time - first_time) * rate / 27e6;
        const auto at = static_cast<std::size_t>(std::max(0.0, due)) + untimed;
        if (at > heard.planes[0].size() + static_cast<std::size_t>(rate) / 500)
          for (auto& plane : heard.planes) plane.resize(at);
      }
      const int count = c.frame->ch_layout.nb_channels;
      for (int n = 0; n < c.frame->nb_samples; ++n) {
        std::array<double, 2> v{};
        for (int ch = 0; ch < count; ++ch) {
          const double x = static_cast<double>(sample_of(*c.frame, ch, n));
          const AVChannel what =
              av_channel_layout_channel_from_index(&c.frame->ch_layout, static_cast<unsigned>(ch));
          if (count == 1 || what == AV_CHAN_FRONT_LEFT) v[0] += x;
          if (count == 1 || what == AV_CHAN_FRONT_RIGHT) v[1] += x;
          if (count > 1 && what == AV_CHAN_FRONT_CENTER) v[0] += mix[0] * x, v[1] += mix[0] * x;
          if (what == AV_CHAN_SIDE_LEFT || what == AV_CHAN_BACK_LEFT) v[0] += mix[1] * x;
          if (what == AV_CHAN_SIDE_RIGHT || what == AV_CHAN_BACK_RIGHT) v[1] += mix[1] * x;
        }
        for (std::size_t side = 0; side < heard.planes.size(); ++side)
          heard.planes[side].push_back(static_cast<float>(v[side]));
      }
    }
  };
  const auto feed = [&](const std::uint8_t* data, int size, std::int64_t time) {
    for (;;) {
      std::uint8_t* out = nullptr;
      int out_size = 0;
      const int used =
          av_parser_parse2(parser, c.context, &out, &out_size, data, size, time, AV_NOPTS_VALUE, 0);
      time = AV_NOPTS_VALUE;
      if (used < 0) break;
      data += used;
      size -= used;
      if (out_size > 0) {
        Bytes padded(out, out + out_size);
        padded.resize(padded.size() + AV_INPUT_BUFFER_PADDING_SIZE);
        decode(padded.data(), out_size);
      }
      if (size <= 0) break;  // nothing more to parse would say that the stream ends
    }
  };
  for (std::size_t i = 0; i < payloads.size(); ++i) {
    Bytes padded = payloads[i];
    padded.resize(padded.size() + AV_INPUT_BUFFER_PADDING_SIZE);
    feed(padded.data(), static_cast<int>(payloads[i].size()), times.empty() ? AV_NOPTS_VALUE : times[i]);
  }
  feed(nullptr, 0, AV_NOPTS_VALUE);
  if (first_time != AV_NOPTS_VALUE)
    heard.first =
        std::llround(static_cast<double>(first_time) / 562.5 - static_cast<double>(untimed) * 48000.0 / rate);
  av_parser_close(parser);
  for (auto& plane : heard.planes) plane = resampled(plane, rate);
  return heard;
}

Likeness compare(const Heard& a, const Heard& b) {
  constexpr std::int64_t kSearch = 960;  // 20 ms to either side
  const std::int64_t from = std::max(a.first, b.first) + kSearch;
  const std::int64_t to = std::min(a.first + static_cast<std::int64_t>(a.planes[0].size()),
                                   b.first + static_cast<std::int64_t>(b.planes[0].size())) -
                          kSearch;
  Likeness best;
  best.correlation = -2;
  const auto at = [&](std::int64_t shift, std::int64_t step) {
    double ab = 0, aa = 0, bb = 0;
    for (std::size_t c = 0; c < std::min(a.planes.size(), b.planes.size()); ++c) {
      for (std::int64_t n = from; n < to; n += step) {
        const double x = static_cast<double>(a.planes[c][static_cast<std::size_t>(n - a.first)]);
        const double y = static_cast<double>(b.planes[c][static_cast<std::size_t>(n + shift - b.first)]);
        ab += x * y;
        aa += x * x;
        bb += y * y;
      }
    }
    return std::array<double, 3>{aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0.0, aa, bb};
  };
  const std::int64_t step = std::max<std::int64_t>(1, (to - from) / 6000);
  for (std::int64_t shift = -kSearch; shift <= kSearch; ++shift) {
    const auto r = at(shift, step | 1);
    if (r[0] <= best.correlation) continue;
    best.correlation = r[0];
    best.offset_ms = static_cast<double>(shift) / 48;
  }
  const auto whole = at(std::llround(best.offset_ms * 48), 1);
  best.correlation = whole[0];
  best.gain_db = whole[1] > 0 && whole[2] > 0 ? 10 * std::log10(whole[2] / whole[1]) : 0;
  return best;
}

double loudness(const Heard& heard) {
  const auto channels = static_cast<unsigned>(heard.planes.size());
  ebur128_state* state = ebur128_init(channels, 48000, EBUR128_MODE_I);
  std::vector<float> packed;
  for (std::size_t n = 0; n < heard.planes[0].size(); ++n)
    for (const auto& plane : heard.planes) packed.push_back(plane[n]);
  ebur128_add_frames_float(state, packed.data(), heard.planes[0].size());
  double lufs = 0;
  ebur128_loudness_global(state, &lufs);
  ebur128_destroy(&state);
  return lufs;
}

std::array<double, 2> loudness_where_both_are(const Heard& a, const Heard& b) {
  const auto end = [](const Heard& h) { return h.first + static_cast<std::int64_t>(h.planes[0].size()); };
  // Without the first 30 ms: what fades in there is no matter of loudness.
  const std::int64_t from = std::max(a.first, b.first) + 1440, to = std::min(end(a), end(b));
  const auto cut = [&](const Heard& h) {
    Heard part;
    part.first = from;
    for (const auto& plane : h.planes)
      part.planes.emplace_back(plane.begin() + (from - h.first), plane.begin() + (to - h.first));
    return loudness(part);
  };
  return {cut(a), cut(b)};
}

std::size_t holes(std::span<const AacFrame> frames) {
  std::size_t broken = 0;
  for (std::size_t i = 0; i < frames.size(); ++i)
    if (frames[i].pts % kGrid != 0 || (i > 0 && frames[i].pts != frames[i - 1].pts + kGrid)) ++broken;
  return broken;
}

}  // namespace headgate::transcode::sound_test
