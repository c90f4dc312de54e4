// make_ladder_worker() of dataplane/transcode/worker.h: the streams of a job, of which there is one.
#include <map>

#include "dataplane/transcode/ladder/rendition.h"
#include "dataplane/transcode/worker.h"

namespace headgate::transcode {
namespace {

class LadderWorker final : public Worker {
 public:
  explicit LadderWorker(Output& output) : output_(output) {}

  void on_message(const ring::MessageHeader& header, std::span<const std::uint8_t> payload) override {
    switch (static_cast<job::Message>(header.kind)) {
      case job::Message::stream:
        begin(header.stream, payload);
        break;
      case job::Message::packet:
        if (const auto at = renditions_.find(header.stream); at != renditions_.end()) {
          at->second->on_packet(header, payload);
        }
        break;
      case job::Message::end:
        end(header.stream);
        break;
      default:
        break;
    }
  }

 private:
  static constexpr std::size_t kMaxStreams = 8;

  void begin(std::uint16_t stream, std::span<const std::uint8_t> payload) {
    const auto wanted = job::read<job::StreamBegin>(payload);
    // The bridge repeats it, for a worker may have begun anew: the stream goes on.
    if (const auto at = wanted_.find(stream); wanted && at != wanted_.end() && same(at->second, *wanted))
      return;
    end(stream);
    if (!wanted || renditions_.size() >= kMaxStreams) return;
    wanted_[stream] = *wanted;
    renditions_[stream] = std::make_unique<ladder::Rendition>(output_, stream, *wanted);
  }
  void end(std::uint16_t stream) {
    wanted_.erase(stream);
    const auto at = renditions_.find(stream);
    if (at == renditions_.end()) return;
    at->second->drain();
    renditions_.erase(at);
  }
  static bool same(const job::StreamBegin& a, const job::StreamBegin& b) {
    return a.codec == b.codec && a.width == b.width && a.height == b.height && a.bitrate == b.bitrate;
  }

  Output& output_;
  std::map<std::uint16_t, job::StreamBegin> wanted_;
  std::map<std::uint16_t, std::unique_ptr<ladder::Rendition>> renditions_;
};

}  // namespace

std::unique_ptr<Worker> make_ladder_worker(Output& output) { return std::make_unique<LadderWorker>(output); }

}  // namespace headgate::transcode
