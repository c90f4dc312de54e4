#include "control/daemon/mosaic_draw.h"

#include <fcntl.h>
#include <gd.h>
#include <gdfonts.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <algorithm>

namespace headgate::control {
namespace {

constexpr int kQuality = 85;

constexpr int rgb(int red, int green, int blue) { return red << 16 | green << 8 | blue; }
constexpr int kBackground = rgb(12, 13, 16);
constexpr int kEmpty = rgb(30, 32, 38);
constexpr int kWhite = rgb(255, 255, 255);
constexpr int kBlack = rgb(0, 0, 0);
constexpr int kGrey = rgb(170, 174, 182);

struct Paint {
  int frame;
  int text;  // on the frame's colour
};

// Told apart by people who see no red or green by their brightness, and by the word.
Paint paint_of(ChannelState state) {
  switch (state) {
    case ChannelState::ok:
      return {rgb(0, 150, 80), kWhite};
    case ChannelState::degraded:
      return {rgb(255, 176, 0), kBlack};
    case ChannelState::backup:
      return {rgb(90, 160, 255), kBlack};
    case ChannelState::waiting:
      return {rgb(150, 130, 200), kBlack};
    case ChannelState::down:
      return {rgb(220, 30, 40), kWhite};
    case ChannelState::disabled:
      break;
  }
  return {rgb(80, 84, 92), kWhite};
}

// One code point of UTF-8, and how many bytes it takes; what is none counts one byte.
std::pair<std::uint32_t, std::size_t> code_point(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(0);
  const std::size_t length = first < 0x80 ? 1 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 0;
  if (length == 0 || first > 0xF4 || text.size() < length) return {'?', 1};
  std::uint32_t code = length == 1 ? first : first & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {'?', 1};
    code = code << 6 | (byte(i) & 0x3F);
  }
  return {code, length};
}

// gd's own letters are those of ISO 8859-2, which has German, and a part of the rest of Latin-1, where
// ISO 8859-1 has them.
std::string built_in(std::string_view text) {
  constexpr std::string_view kSame =
      "\xC1\xC2\xC4\xC7\xC9\xCB\xCD\xCE\xD3\xD4\xD6\xDA\xDC\xDD\xDF\xE1\xE2\xE4\xE7"
      "\xE9\xEB\xED\xEE\xF3\xF4\xF6\xFA\xFC\xFD";
  std::string out;
  while (!text.empty()) {
    const auto [code, length] = code_point(text);
    const bool known = code < 0x7F || (code < 0x100 && kSame.find(static_cast<char>(code)) != kSame.npos);
    out += known ? static_cast<char>(code) : '?';
    text.remove_prefix(length);
  }
  return out;
}

class Canvas {
 public:
  Canvas(int width, int height, const std::string& font)
      : image_(gdImageCreateTrueColor(width, height)), font_(font) {}
  ~Canvas() {
    if (image_ != nullptr) gdImageDestroy(image_);
  }
  Canvas(const Canvas&) = delete;
  Canvas& operator=(const Canvas&) = delete;

  bool ok() const { return image_ != nullptr; }

  void fill(const MosaicBox& box, int colour) {
    gdImageFilledRectangle(image_, box.x, box.y, box.x + box.width - 1, box.y + box.height - 1, colour);
  }

  // The mean of what falls into a pixel; a larger box repeats pixels.
  void picture(const Tile& tile, const MosaicBox& box, bool stale) {
    for (int y = 0; y < box.height; ++y) {
      const auto [top, bottom] = range(y, box.height, kTileHeight);
      for (int x = 0; x < box.width; ++x) {
        const auto [left, right] = range(x, box.width, kTileWidth);
        gdImageTrueColorPixel(image_, box.x + x, box.y + y) = mean(tile, left, right, top, bottom, stale);
      }
    }
    if (!stale) return;
    // Without colour, dark and crossed out: nobody takes it for what is on air.
    gdImageSetClip(image_, box.x, box.y, box.x + box.width - 1, box.y + box.height - 1);
    const int step = std::max(8, box.height / 6);
    for (int x = box.x - box.height; x < box.x + box.width; x += step)
      gdImageLine(image_, x, box.y + box.height, x + box.height, box.y, rgb(96, 96, 96));
    clip_none();
  }

  int text_width(const std::string& text, double points) const {
    if (font_.empty()) return static_cast<int>(built_in(text).size()) * gdFontGetSmall()->w;
    int corners[8] = {};
    if (gdImageStringFT(nullptr, corners, kWhite, font_.c_str(), points, 0, 0, 0,
                        const_cast<char*>(text.c_str())) != nullptr)
      return 0;
    return corners[2] - corners[0];
  }

  // Left in the box, in the middle of its height; what does not fit is cut off.
  void text(std::string text, const MosaicBox& box, int colour) {
    const double points = points_for(box.height);
    const std::string whole = text;
    while (!text.empty() && text_width(text == whole ? text : text + kCut, points) > box.width) {
      std::size_t last = text.size() - 1;
      while (last > 0 && (static_cast<std::uint8_t>(text[last]) & 0xC0) == 0x80) --last;
      text.resize(last);
    }
    if (text.empty()) return;
    if (text != whole) text += kCut;
    gdImageSetClip(image_, box.x, box.y, box.x + box.width - 1, box.y + box.height - 1);
    if (font_.empty()) {
      std::string letters = built_in(text);
      gdImageString(image_, gdFontGetSmall(), box.x, box.y + (box.height - gdFontGetSmall()->h) / 2,
                    reinterpret_cast<unsigned char*>(letters.data()), colour);
    } else {
      int corners[8] = {};
      const int baseline = box.y + (box.height + static_cast<int>(points)) / 2;
      gdImageStringFT(image_, corners, colour, font_.c_str(), points, 0, box.x, baseline,
                      const_cast<char*>(text.c_str()));
    }
    clip_none();
  }

  // Of letters in a line of that height; gd counts 96 points an inch as pixels times 0.75.
  static double points_for(int height) { return std::max(6.0, height * 0.5); }

  std::string jpeg() const {
    int size = 0;
    void* data = gdImageJpegPtr(image_, &size, kQuality);
    if (data == nullptr) return {};
    std::string out(static_cast<const char*>(data), static_cast<std::size_t>(size));
    gdFree(data);
    return out;
  }

 private:
  static constexpr const char* kCut = "..";

  static std::pair<int, int> range(int at, int size, int source) {
    const int begin = std::min(at * source / size, source - 1);
    return {begin, std::max(begin + 1, std::min((at + 1) * source / size, source))};
  }

  static int mean(const Tile& tile, int left, int right, int top, int bottom, bool stale) {
    int sums[3] = {}, count = 0;
    for (int y = top; y < bottom; ++y) {
      for (int x = left; x < right; ++x, ++count) {
        const std::uint8_t* pixel = tile.data() + (static_cast<std::size_t>(y) * kTileWidth + x) * 3;
        for (int i = 0; i < 3; ++i) sums[i] += pixel[i];
      }
    }
    for (int& sum : sums) sum /= count;
    if (!stale) return rgb(sums[0], sums[1], sums[2]);
    const int grey = (sums[0] * 3 + sums[1] * 6 + sums[2]) / 25;  // luma, at 40 per cent
    return rgb(grey, grey, grey);
  }

  void clip_none() { gdImageSetClip(image_, 0, 0, gdImageSX(image_) - 1, gdImageSY(image_) - 1); }

  gdImagePtr image_;
  std::string font_;
};

MosaicBox inner(const MosaicBox& box, int border) {
  return {box.x + border, box.y, std::max(0, box.width - 2 * border), box.height};
}

void draw_cell(Canvas& canvas, const MosaicCell& cell, const MosaicPicture& picture) {
  const Paint paint = paint_of(cell.channel.state);
  canvas.fill(cell.cell, paint.frame);
  if (picture.tile != nullptr) {
    canvas.picture(*picture.tile, cell.picture, picture.age.stale);
  } else {
    canvas.fill(cell.picture, kEmpty);
  }
  const int line = cell.label.height;
  const int border = std::max(2, line / 6);
  if (picture.tile == nullptr || picture.age.stale) {
    const std::string why = picture.tile == nullptr ? "no picture" : "old: " + age_words(picture.age.age_ns);
    const MosaicBox middle{cell.picture.x, cell.picture.y + (cell.picture.height - line) / 2,
                           cell.picture.width, line};
    const int rest = inner(middle, border).width - canvas.text_width(why, Canvas::points_for(line));
    canvas.text(why, inner(middle, border + std::max(0, rest / 2)), picture.tile == nullptr ? kGrey : kWhite);
  }
  // The state at the right end, on the frame's colour; the name on black beside it.
  const std::string word = to_string(cell.channel.state);
  const int word_width = canvas.text_width(word, Canvas::points_for(line)) + 2 * border;
  const int name_width = std::max(0, cell.label.width - word_width);
  canvas.fill({cell.label.x, cell.label.y, name_width, line}, kBlack);
  canvas.text(cell.channel.name, inner({cell.label.x, cell.label.y, name_width, line}, border), kWhite);
  canvas.text(
      word, {cell.label.x + name_width + border, cell.label.y, cell.label.width - name_width - border, line},
      paint.text);
}

// Opened and looked at in one: the file may be replaced at any time.
bool read_tile(const std::string& path, bool with_tile, const MosaicChannel& channel, std::int64_t now,
               MosaicPicture& out) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
  if (file < 0) return false;
  struct stat about {};
  bool good =
      ::fstat(file, &about) == 0 && S_ISREG(about.st_mode) && about.st_size == static_cast<off_t>(kTileBytes);
  if (good && with_tile) {
    out.tile = std::make_unique<Tile>();
    good = ::pread(file, out.tile->data(), kTileBytes, 0) == static_cast<ssize_t>(kTileBytes);
    if (!good) out.tile.reset();
  }
  ::close(file);
  // Whoever owns the file sets its time, even to one that has no number in nanoseconds.
  constexpr std::int64_t kSecond = 1'000'000'000;
  const auto seconds = std::clamp<std::int64_t>(about.st_mtim.tv_sec, 0, now / kSecond);
  if (good) out.age = age_of(channel, seconds * kSecond + about.st_mtim.tv_nsec, now);
  return good;
}

}  // namespace

std::vector<MosaicPicture> read_pictures(const Mosaic& mosaic, const std::string& directory,
                                         std::int64_t now_unix_ns, bool with_tiles) {
  std::vector<MosaicPicture> out(mosaic.cells.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const MosaicChannel& channel = mosaic.cells[i].channel;
    read_tile(directory + "/" + channel.id + ".tile", with_tiles, channel, now_unix_ns, out[i]);
  }
  return out;
}

std::string mosaic_font() {
  // Debian and Ubuntu, Fedora, Arch.
  for (const char* path :
       {"/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
        "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf", "/usr/share/fonts/TTF/DejaVuSans.ttf"}) {
    if (::access(path, R_OK) == 0) return path;
  }
  return {};
}

tl::expected<std::string, std::string> draw_mosaic(const Mosaic& mosaic,
                                                   const std::vector<MosaicPicture>& pictures,
                                                   const std::string& font) {
  Canvas canvas(mosaic.width, mosaic.height, font);
  if (!canvas.ok()) return tl::unexpected<std::string>("no memory for the picture");
  canvas.fill({0, 0, mosaic.width, mosaic.height}, kBackground);
  for (std::size_t i = 0; i < mosaic.cells.size(); ++i) draw_cell(canvas, mosaic.cells[i], pictures.at(i));
  if (mosaic.cells.empty()) canvas.text("no channels", mosaic.footer, kGrey);
  if (mosaic.left_out != 0)
    canvas.text(fmt::format("{} more: choose by tag= or channels=", mosaic.left_out), mosaic.footer, kGrey);
  std::string jpeg = canvas.jpeg();
  if (jpeg.empty()) return tl::unexpected<std::string>("the picture can't be encoded");
  return jpeg;
}

}  // namespace headgate::control
