#include "dataplane/transcode/picture/light.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace headgate::transcode::picture {
namespace {

constexpr double kWhite = 203;       // cd/m2, BT.2408 table 1
constexpr double kBrightest = 1000;  // cd/m2: a HLG display's (BT.2100 table 5), and mastering's usual one
constexpr std::size_t kSteps = 1024;
constexpr std::size_t kFine = 4096;

// BT.2100 table 4: signal to light, in units of white.
double pq_light(double signal) {
  constexpr double m1 = 2610.0 / 16384, m2 = 2523.0 / 4096 * 128;
  constexpr double c1 = 3424.0 / 4096, c2 = 2413.0 / 4096 * 32, c3 = 2392.0 / 4096 * 32;
  const double p = std::pow(signal, 1 / m2);
  return 10000 / kWhite * std::pow(std::max(p - c1, 0.0) / (c2 - c3 * p), 1 / m1);
}

// BT.2100 table 5: signal to light of the scene, 0..1.
double hlg_scene(double signal) {
  constexpr double a = 0.17883277, b = 1 - 4 * a;
  const double c = 0.5 - a * std::log(4 * a);
  return signal <= 0.5 ? signal * signal / 3 : (std::exp((signal - c) / a) + b) / 12;
}
// The display's part, by the luminance of the scene: gamma 1.2 of a display of 1000 cd/m2.
double hlg_gain(double luminance) { return kBrightest / kWhite * std::pow(std::max(luminance, 0.0), 0.2); }

// Nothing happens up to half of white; beyond it a hyperbola goes on with the same slope and reaches white
// where the light is brightest.
double compressed(double light) {
  constexpr double knee = 0.5, peak = kBrightest / kWhite;
  if (light <= knee) return light;
  constexpr double a = -knee * knee * (peak - 1) / (knee * knee - 2 * knee + peak);
  constexpr double b = (knee * knee - 2 * knee * peak + peak) / (peak - 1);
  return std::min(1.0, (b * b + 2 * b * knee + knee * knee) / (b - a) * (light + a) / (light + b));
}

double to_signal(double light) { return std::pow(std::clamp(light, 0.0, 1.0), 1 / 2.4); }

struct Tables {
  std::array<std::array<float, kSteps>, 3> light;  // by Transfer and signal
  std::array<float, kFine> hlg;                    // gain, by luminance of the scene
  std::array<float, kFine> gain;                   // compressed / light, by the root of light / brightest
  std::array<std::uint8_t, kFine> signal;          // 0..255, by the root of light
  Tables() {
    for (std::size_t i = 0; i < kSteps; ++i) {
      const double signal_here = static_cast<double>(i) / (kSteps - 1);
      light[0][i] = static_cast<float>(std::pow(signal_here, 2.4));
      light[1][i] = static_cast<float>(pq_light(signal_here));
      light[2][i] = static_cast<float>(hlg_scene(signal_here));
    }
    for (std::size_t i = 0; i < kFine; ++i) {
      const double at = static_cast<double>(i) / (kFine - 1);
      hlg[i] = static_cast<float>(hlg_gain(at));
      const double bright = at * at * 10000 / kWhite;
      gain[i] = bright > 0 ? static_cast<float>(compressed(bright) / bright) : 1.0F;
      signal[i] = static_cast<std::uint8_t>(std::lround(255 * to_signal(at * at)));
    }
  }
};
const Tables& tables() {
  static const Tables made;
  return made;
}

std::size_t step(float value, std::size_t steps) {
  const float at = value * static_cast<float>(steps - 1) + 0.5F;
  return at <= 0 ? 0 : std::min(static_cast<std::size_t>(at), steps - 1);
}

struct Rgb {
  float r, g, b;
};

class Converter {
 public:
  explicit Converter(const Colour& colour)
      : t_(tables()),
        light_(t_.light[static_cast<std::size_t>(colour.transfer)]),
        transfer_(colour.transfer),
        wide_(colour.wide_gamut) {}

  // Signals 0..1 in, 0..255 out.
  Rgb operator()(Rgb in) const {
    Rgb l{light_[step(in.r, kSteps)], light_[step(in.g, kSteps)], light_[step(in.b, kSteps)]};
    if (transfer_ == Transfer::hlg) {
      const float y = 0.2627F * l.r + 0.6780F * l.g + 0.0593F * l.b;
      l = times(l, t_.hlg[step(y, kFine)]);
    }
    if (transfer_ != Transfer::sdr) {
      const float most = std::max({l.r, l.g, l.b});
      l = times(l, t_.gain[step(std::sqrt(most * static_cast<float>(kWhite / 10000)), kFine)]);
    }
    if (wide_) {  // BT.2020 to BT.709 primaries, BT.2087; what lies outside is cut
      l = {1.6605F * l.r - 0.5876F * l.g - 0.0728F * l.b, -0.1246F * l.r + 1.1329F * l.g - 0.0083F * l.b,
           -0.0182F * l.r - 0.1006F * l.g + 1.1187F * l.b};
    }
    return {signal(l.r), signal(l.g), signal(l.b)};
  }

 private:
  static Rgb times(Rgb v, float by) { return {v.r * by, v.g * by, v.b * by}; }
  float signal(float light) const { return t_.signal[step(std::sqrt(std::max(light, 0.0F)), kFine)]; }

  const Tables& t_;
  const std::array<float, kSteps>& light_;
  Transfer transfer_;
  bool wide_;
};

// Samples of 10 bits to 0..1 and -0.5..0.5.
struct Range {
  float luma_offset, luma, chroma;
  explicit Range(bool full)
      : luma_offset(full ? 0.0F : 64.0F),
        luma(full ? 1 / 1023.0F : 1 / 876.0F),
        chroma(full ? 1 / 1023.0F : 1 / 896.0F) {}
};

struct Planes {
  const AVFrame& in;
  AVFrame& out;
  const std::uint16_t* from(int plane, int y) const {
    return reinterpret_cast<const std::uint16_t*>(in.data[plane] + std::ptrdiff_t{y} * in.linesize[plane]);
  }
  std::uint8_t* to(int plane, int y) const {
    return out.data[plane] + std::ptrdiff_t{y} * out.linesize[plane];
  }
};

std::uint8_t rounded(float value) {
  return static_cast<std::uint8_t>(std::clamp(value + 0.5F, 0.0F, 255.0F));
}

}  // namespace

AvFrame through_light(const AVFrame& frame, const Colour& colour, LumaWeights from, LumaWeights to,
                      bool full_range) {
  AvFrame out = make_frame(full_range ? AV_PIX_FMT_YUVJ420P : AV_PIX_FMT_YUV420P, frame.width, frame.height);
  if (!out || frame.format != AV_PIX_FMT_YUV420P10LE) return nullptr;
  const Converter convert(colour);
  const Range range(colour.full_range);
  const Planes planes{frame, *out};
  const auto f = [](double v) { return static_cast<float>(v); };
  const float r_cr = f(2 * (1 - from.r)), b_cb = f(2 * (1 - from.b));
  const float g_r = f(from.r / (1 - from.r - from.b)), g_b = f(from.b / (1 - from.r - from.b));
  const float kr = f(to.r), kb = f(to.b), kg = f(1 - to.r - to.b);
  const float luma_scale = full_range ? 1.0F : 219 / 255.0F, chroma_scale = full_range ? 1.0F : 224 / 255.0F;
  const float black = full_range ? 0.0F : 16.0F;
  for (int y = 0; y < frame.height; y += 2) {
    const std::uint16_t *cb = planes.from(1, y / 2), *cr = planes.from(2, y / 2);
    for (int x = 0; x < frame.width; x += 2) {
      const float r_off = r_cr * static_cast<float>(cr[x / 2] - 512) * range.chroma;
      const float b_off = b_cb * static_cast<float>(cb[x / 2] - 512) * range.chroma;
      const float g_off = -(g_r * r_off + g_b * b_off);
      float red = 0, blue = 0, luma = 0, count = 0;
      for (int dy = 0; dy < 2 && y + dy < frame.height; ++dy) {
        for (int dx = 0; dx < 2 && x + dx < frame.width; ++dx) {
          const float l =
              (static_cast<float>(planes.from(0, y + dy)[x + dx]) - range.luma_offset) * range.luma;
          const Rgb rgb = convert({l + r_off, l + g_off, l + b_off});
          const float shade = kr * rgb.r + kg * rgb.g + kb * rgb.b;
          planes.to(0, y + dy)[x + dx] = rounded(black + luma_scale * shade);
          red += rgb.r, blue += rgb.b, luma += shade, count += 1;
        }
      }
      planes.to(1, y / 2)[x / 2] = rounded(128 + chroma_scale * (blue - luma) / (count * 2 * (1 - kb)));
      planes.to(2, y / 2)[x / 2] = rounded(128 + chroma_scale * (red - luma) / (count * 2 * (1 - kr)));
    }
  }
  return out;
}

void make_light_tables() { tables(); }

double grey_through_light(double signal, Transfer transfer) {
  Colour colour;
  colour.transfer = transfer;
  const float s = static_cast<float>(signal);
  return static_cast<double>(Converter(colour)({s, s, s}).r) / 255;
}

}  // namespace headgate::transcode::picture
