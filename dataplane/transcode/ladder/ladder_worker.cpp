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
    end(stream);
    if (!wanted || renditions_.size() >= kMaxStreams) return;
    renditions_[stream] = std::make_unique<ladder::Rendition>(output_, stream, *wanted);
  }
  void end(std::uint16_t stream) {
    const auto at = renditions_.find(stream);
    if (at == renditions_.end()) return;
    at->second->drain();
    renditions_.erase(at);
  }

  Output& output_;
  std::map<std::uint16_t, std::unique_ptr<ladder::Rendition>> renditions_;
};

}  // namespace

std::unique_ptr<Worker> make_ladder_worker(Output& output) { return std::make_unique<LadderWorker>(output); }

}  // namespace headgate::transcode
