// The sound worker: the tracks of one channel. docs/sound.md.
#include "dataplane/transcode/worker.h"

#include <map>

#include "dataplane/transcode/sound/track.h"

extern "C" {
#include <libavutil/log.h>
}

namespace headgate::transcode {
namespace {

constexpr std::uint16_t kMaxTracks = 64;  // ring::MessageProducer::kMaxStreams

class SoundWorker final : public Worker {
 public:
  explicit SoundWorker(Output& output) : output_(output) { av_log_set_level(AV_LOG_QUIET); }

  void on_message(const ring::MessageHeader& header, std::span<const std::uint8_t> payload) override {
    if (header.stream >= kMaxTracks) return;
    const auto found = tracks_.find(header.stream);
    switch (static_cast<job::Message>(header.kind)) {
      case job::Message::stream:
        if (const auto wanted = job::read<job::StreamBegin>(payload))
          tracks_.try_emplace(header.stream, header.stream, output_).first->second.begin(*wanted);
        break;
      case job::Message::packet:
        if (found != tracks_.end()) found->second.on_packet(header, payload);
        break;
      case job::Message::end:
        if (found == tracks_.end()) break;
        found->second.finish();
        tracks_.erase(found);
        break;
      default:
        break;
    }
  }

 private:
  Output& output_;
  std::map<std::uint16_t, sound::Track> tracks_;
};

}  // namespace

std::unique_ptr<Worker> make_sound_worker(Output& output) { return std::make_unique<SoundWorker>(output); }

}  // namespace headgate::transcode
