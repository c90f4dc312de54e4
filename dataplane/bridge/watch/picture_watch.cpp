#include "dataplane/bridge/watch/picture_watch.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>

namespace headgate::bridge::watch {
namespace {

using job::PictureResult;

// Of 255: nominal black is 0.
constexpr std::uint8_t kDarkBrightest = 24;  // 99 % of the picture is no brighter
constexpr std::uint8_t kDarkMean = 14;
constexpr int kDarkCell = 20;            // 1/576 of the picture, above the mean: a candle, a word, a logo
constexpr std::uint8_t kDarkDetail = 8;  // neighbours differ by 1 of 255 on average
constexpr std::uint8_t kFlatBrightest = 36;
constexpr int kFlatRange = 6;
constexpr int kLight = 50;  // of a pixel of the tile, above the mean
constexpr int kLights = 2;
constexpr std::uint8_t kFlatDetail = 2;

// Pictures that are small for a moment are nothing to look at.
constexpr std::int64_t kCollapseLasts = 400'000'000;

// Two codings of one picture.
constexpr int kNoiseCell = 1;
constexpr int kNoisePixel = 12;  // of the tile, sum of the three colours' differences
constexpr int kNoisePixels = 8;

// The same shot, a moment later.
constexpr double kShotDifference = 30;  // mean over the cells
constexpr double kShotCorrelation = 0.65;
constexpr double kFadeMean = 10;  // between the means
constexpr double kFadeContrast = 0.9;
constexpr double kFadeCorrelation = 0.95;  // as a fade leaves it; motion that changes so much leaves less
constexpr double kMixed = 0.9;             // correlation of what is still to come with what was

double mean_difference(const PictureResult& a, const PictureResult& b) {
  int sum = 0;
  for (std::size_t i = 0; i < a.grid.size(); ++i) sum += std::abs(a.grid[i] - b.grid[i]);
  return static_cast<double>(sum) / static_cast<double>(a.grid.size());
}

int largest_cell_difference(const PictureResult& a, const PictureResult& b) {
  int largest = 0;
  for (std::size_t i = 0; i < a.grid.size(); ++i)
    largest = std::max(largest, std::abs(a.grid[i] - b.grid[i]));
  return largest;
}

int differing_pixels(const PictureResult& a, const PictureResult& b) {
  int differing = 0;
  for (std::size_t i = 0; i + 2 < a.tile.size(); i += 3) {
    const int difference = std::abs(a.tile[i] - b.tile[i]) + std::abs(a.tile[i + 1] - b.tile[i + 1]) +
                           std::abs(a.tile[i + 2] - b.tile[i + 2]);
    differing += difference > kNoisePixel ? 1 : 0;
  }
  return differing;
}

// Of the cells' lumas, -1..1.
double correlation(const PictureResult& a, const PictureResult& b) {
  const auto n = static_cast<double>(a.grid.size());
  double sum_a = 0, sum_b = 0, aa = 0, bb = 0, ab = 0;
  for (std::size_t i = 0; i < a.grid.size(); ++i) {
    const double x = a.grid[i];
    const double y = b.grid[i];
    sum_a += x;
    sum_b += y;
    aa += x * x;
    bb += y * y;
    ab += x * y;
  }
  const double spread = (aa - sum_a * sum_a / n) * (bb - sum_b * sum_b / n);
  return spread <= 0 ? 0 : (ab - sum_a * sum_b / n) / std::sqrt(spread);
}

// Something small and bright: a lamp, a star.
bool has_lights(const PictureResult& picture) {
  const int limit = 3 * (picture.mean + kLight);
  int lights = 0;
  for (std::size_t i = 0; i + 2 < picture.tile.size(); i += 3)
    lights += picture.tile[i] + picture.tile[i + 1] + picture.tile[i + 2] > limit ? 1 : 0;
  return lights >= kLights;
}

struct Spread {
  double mean = 0;
  double deviation = 0;
};

Spread spread_of(const PictureResult& picture) {
  double sum = 0, squares = 0;
  for (const std::uint8_t cell : picture.grid) {
    sum += cell;
    squares += static_cast<double>(cell) * cell;
  }
  const auto n = static_cast<double>(picture.grid.size());
  return {sum / n, std::sqrt(std::max(0.0, squares / n - sum / n * sum / n))};
}

// One is a paler or darker one of the other.
bool is_fade(const PictureResult& a, const PictureResult& b) {
  const Spread first = spread_of(a);
  const Spread second = spread_of(b);
  const bool paler = std::abs(first.mean - second.mean) > kFadeMean ||
                     std::min(first.deviation, second.deviation) <
                         kFadeContrast * std::max(first.deviation, second.deviation);
  return paler && correlation(a, b) > kFadeCorrelation;
}

// `b` is on its way from `a` to `c`: the rest of the way is a part of all of it.
bool is_mix(const PictureResult& a, const PictureResult& b, const PictureResult& c) {
  double rest_rest = 0, all_all = 0, rest_all = 0;
  for (std::size_t i = 0; i < a.grid.size(); ++i) {
    const double rest = c.grid[i] - b.grid[i];
    const double all = c.grid[i] - a.grid[i];
    rest_rest += rest * rest;
    all_all += all * all;
    rest_all += rest * all;
  }
  return rest_rest > 0 && rest_rest < all_all / 4 && rest_all > kMixed * std::sqrt(rest_rest * all_all);
}

}  // namespace

bool is_black(const PictureResult& picture) noexcept {
  const int brightest_cell = *std::max_element(picture.grid.begin(), picture.grid.end());
  if (has_lights(picture) || brightest_cell > picture.mean + kDarkCell) return false;
  const int range = picture.brightest - picture.darkest;
  // Black of a signal whose range is misstated lies a little higher, but it is as flat.
  if (picture.brightest <= kFlatBrightest && range <= kFlatRange && picture.detail <= kFlatDetail)
    return true;
  return picture.brightest <= kDarkBrightest && picture.mean <= kDarkMean && picture.detail <= kDarkDetail;
}

bool is_same_picture(const PictureResult& a, const PictureResult& b) noexcept {
  return a.width == b.width && a.height == b.height && largest_cell_difference(a, b) <= kNoiseCell &&
         differing_pixels(a, b) <= kNoisePixels;
}

bool is_same_shot(const PictureResult& a, const PictureResult& b) noexcept {
  return !is_fade(a, b) && mean_difference(a, b) <= kShotDifference && correlation(a, b) >= kShotCorrelation;
}

void PictureWatch::restart(bool suspect) {
  *this = PictureWatch();
  suspect_ = suspect;
}

void PictureWatch::on_unit(std::size_t bytes, bool random_access, std::int64_t now_ns) noexcept {
  const std::int64_t rose = sizes_.rose_ns();
  sizes_.on_unit(bytes, random_access, now_ns);
  if (sizes_.rose_ns() != rose) {
    // Something else is shown from here on, seen or not.
    black_.observe(false, now_ns);
    frozen_.observe(false, now_ns);
    still_.observe(false, now_ns);
    stands_ = false;
  }
  const std::int64_t fell = sizes_.collapsed_since_ns();
  if (fell == 0 || fell == collapse_ns_ || now_ns - fell < kCollapseLasts) return;
  collapse_ns_ = fell;
  looks_of_collapse_ = 0;
}

void PictureWatch::on_picture(const PictureResult& picture, std::int64_t taken_ns) {
  verdict_ = picture.verdict;
  if (picture.verdict != job::PictureVerdict::shown) return;
  if (last_ && taken_ns <= last_ns_) return;
  // A trouble that showed itself in the coded sizes after the look before began with them.
  const std::int64_t fell = sizes_.collapsed_since_ns();
  const std::int64_t since = fell > last_ns_ && fell < taken_ns ? fell : taken_ns;
  const bool black = is_black(picture);
  black_.observe(black, taken_ns, since);
  judge_motion(picture, black, taken_ns);
  if (fell != 0 && taken_ns >= fell) ++looks_of_collapse_;
  last_ = picture;
  last_ns_ = taken_ns;
}

void PictureWatch::judge_motion(const PictureResult& picture, bool black, std::int64_t taken_ns) {
  if (!last_) return;
  if (black) {
    // Black says so itself.
    frozen_.observe(false, taken_ns);
    still_.observe(false, taken_ns);
    stands_ = false;
    return;
  }
  if (!is_same_picture(picture, *last_)) {
    if (moves_ < kMoves) ++moves_;
    if (moves_ == kMoves) suspect_ = false;
    streak_ = stands_ ? 1 : std::min(streak_ + 1, kMoves);
    stands_ = false;
    frozen_.observe(false, taken_ns);
    still_.observe(false, taken_ns);
    second_last_ = std::exchange(before_, last_);
    before_ns_ = last_ns_;
    return;
  }
  if (!stands_) {
    stands_ = true;
    equal_looks_ = 1;
    const std::int64_t fell = sizes_.collapsed_since_ns();
    // It moved until the sizes fell; what stood already, and was replaced by what stands now, did not.
    stopped_ = fell > before_ns_ && fell < taken_ns;
    stands_since_ns_ = stopped_ ? fell : last_ns_;
    within_shot_ = suspect_ ||
                   (streak_ == kMoves && (stopped_ || sizes_.as_usual()) && is_same_shot(*before_, picture) &&
                    !(second_last_ && is_mix(*second_last_, *before_, picture)));
  }
  ++equal_looks_;
  if (moves_ < kMoves && !suspect_) {
    moves_ = 0;
    return;
  }
  // Sizes bear two looks out; alone, three are too many for chance.
  frozen_.observe(within_shot_ && (stopped_ || equal_looks_ >= kEqualLooks), taken_ns, stands_since_ns_);
  still_.observe(true, taken_ns, stands_since_ns_);
}

// The last moment for which the last look still speaks: as long as pictures stay as small as they were, they
// stay what they were.
std::int64_t PictureWatch::vouched_ns(std::int64_t now_ns) const {
  const std::int64_t fell = sizes_.collapsed_since_ns();
  return fell != 0 && fell <= last_ns_ ? std::max(now_ns, last_ns_) : last_ns_;
}

bool PictureWatch::black(std::int64_t now_ns, const protocol::WatchState& state) {
  if (state.black_ms == 0) return false;
  const std::int64_t small = sizes_.small_access_ns();
  const bool vouched = small != 0 && small <= last_ns_;
  return black_.lasts(now_ns, vouched ? std::max(now_ns, last_ns_) : vouched_ns(now_ns),
                      std::int64_t{state.black_ms} * 1'000'000);
}

bool PictureWatch::frozen(std::int64_t now_ns, const protocol::WatchState& state) {
  if (state.frozen_ms == 0) return false;
  return frozen_.lasts(now_ns, vouched_ns(now_ns), std::int64_t{state.frozen_ms} * 1'000'000);
}

bool PictureWatch::still(std::int64_t now_ns, const protocol::WatchState& state) {
  if (state.still_ms == 0) return false;
  return still_.lasts(now_ns, vouched_ns(now_ns), std::int64_t{state.still_ms} * 1'000'000);
}

bool PictureWatch::looks_into_collapse() const {
  return sizes_.collapsed() && sizes_.collapsed_since_ns() == collapse_ns_ &&
         looks_of_collapse_ < kLooksOfCollapse;
}

std::int64_t PictureWatch::wants_look_before_ns() const {
  return looks_into_collapse() && last_ns_ < collapse_ns_ ? collapse_ns_ : 0;
}

bool PictureWatch::wants_look() const {
  if (looks_into_collapse() || sizes_.small_access_ns() > last_ns_) return true;
  // To see whether it lasts, and whether it is over.
  const auto undecided = [](const Condition& condition) { return condition.wrong() != condition.told(); };
  return undecided(black_) || undecided(frozen_) || (stands_ && equal_looks_ < kEqualLooks);
}

}  // namespace headgate::bridge::watch
