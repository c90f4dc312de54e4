// What a worker may use, and what happens to one that does not keep to it.
// Threading: values.
#pragma once

#include <chrono>
#include <cstddef>

#include "dataplane/job/spec.h"

namespace headgate::transcode {

// Built with a sanitizer, whose shadow memory is larger than any limit.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kShadowMemory = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kShadowMemory = true;
#else
inline constexpr bool kShadowMemory = false;
#endif
#else
inline constexpr bool kShadowMemory = false;
#endif

struct Limits {
  int nice = 5;                         // 0..19
  std::size_t memory = 0;               // bytes that it may have besides what it was forked with
  int oom_score_adj = 500;              // when memory runs out, workers go first
  double cpu = 1;                       // of one core, over cpu_window; 1: all of it
  std::chrono::seconds cpu_seconds{0};  // in its whole life; 0: any number
};

// Sound: some ten tracks of the dearest codec. Ladder: x264 at 1080p with its look-ahead. Pictures: sixteen
// reference pictures of 3840 x 2160 with 10 bits.
constexpr Limits limits_of(job::Kind kind) noexcept {
  constexpr std::size_t kMiB = 1024 * 1024;
  switch (kind) {
    case job::Kind::sound:
      return {5, 160 * kMiB, 500, 0.8, {}};
    case job::Kind::ladder:
      return {10, 1024 * kMiB, 600, 1, {}};
    case job::Kind::pictures:
      break;
  }
  return {15, 768 * kMiB, 700, 1, std::chrono::seconds(2)};
}

// What the supervisor does with them. Tests take shorter times.
struct Rules {
  std::chrono::milliseconds hang_bound{5000};  // messages wait and none is taken
  std::chrono::milliseconds cpu_window{10'000};
  std::chrono::milliseconds first_pause{200};  // before a worker is started again; doubles to last_pause
  std::chrono::milliseconds last_pause{30'000};
  std::chrono::milliseconds strike_window{600'000};  // so many deaths in it are too many
  std::size_t strikes = 3;
  std::chrono::milliseconds quarantine{600'000};
  std::chrono::milliseconds picture_bound{3000};
  std::size_t pictures_at_once = 2;
  std::size_t most_jobs = 1024;
  std::chrono::milliseconds scan_interval{1000};
  std::chrono::milliseconds watch_interval{250};
  Limits (*limits)(job::Kind) = limits_of;
};

}  // namespace headgate::transcode
