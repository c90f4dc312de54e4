// bwdif of libavfilter over the frames of a channel: interlaced frames become progressive ones with the same
// times, progressive frames pass. One frame of delay. Threading: owned by one thread; makes none.
#pragma once

#include <functional>
#include <memory>

#include "dataplane/transcode/picture/av.h"

struct AVFilterGraph;
struct AVFilterContext;

namespace headgate::transcode::ladder {

class Deinterlacer {
 public:
  using Take = std::function<void(const AVFrame&)>;
  // For frames like this one. Times are 27 MHz. Null where libavfilter can't.
  static std::unique_ptr<Deinterlacer> make(const AVFrame& like);
  ~Deinterlacer();
  bool fits(const AVFrame& frame) const;
  void feed(AVFrame& frame, const Take& take);
  void drain(const Take& take);

 private:
  Deinterlacer() = default;
  bool build(const AVFrame& like);
  void take_all(const Take& take);
  AVFilterGraph* graph_ = nullptr;
  AVFilterContext* in_ = nullptr;
  AVFilterContext* out_ = nullptr;
  int width_ = 0, height_ = 0, format_ = -1;
};

}  // namespace headgate::transcode::ladder
