#include "mpegts/monitor/es_probe.h"

#include "mpegts/es/audio.h"
#include "mpegts/es/video.h"
#include "mpegts/pes/pes_packet.h"

namespace headgate::mpegts {
namespace {

CodecDetails details_of(const es::VideoFormat& format) {
  CodecDetails out;
  out.codec = format.codec;
  out.width = format.width;
  out.height = format.height;
  out.frame_rate_num = format.frame_rate_num;
  out.frame_rate_den = format.frame_rate_den;
  out.interlaced = format.interlaced;
  return out;
}

CodecDetails details_of(const es::AudioFormat& format) {
  CodecDetails out;
  out.codec = format.codec;
  out.sample_rate = format.sample_rate;
  out.channels = format.channels;
  return out;
}

template <class Parser>
class EsProbe final : public CodecProbe, private PesSink {
 public:
  EsProbe(Pid pid, StreamKind kind) : assembler_(pid), parser_(kind) {}

  void on_packet(const TsPacket& packet) override {
    if (!details_) assembler_.on_packet(packet, *this);
  }
  std::optional<CodecDetails> details() const override { return details_; }

 private:
  void on_pes(Pid, const PesPacket& pes) override {
    if (details_ || pes.header.scrambled) return;
    if constexpr (std::is_same_v<Parser, es::VideoParser>) {
      parser_.inspect_start(pes.payload);
    } else {
      parser_.on_payload(pes.payload);
    }
    if (parser_.format()) details_ = details_of(*parser_.format());
  }

  PesAssembler assembler_;
  Parser parser_;
  std::optional<CodecDetails> details_;
};

}  // namespace

CodecProbeFactory es_codec_probes() {
  return [](const PmtStream& stream) -> std::unique_ptr<CodecProbe> {
    const StreamKind kind = stream_kind(stream);
    if (is_video(kind)) return std::make_unique<EsProbe<es::VideoParser>>(stream.pid, kind);
    // Opus and DTS have no parser here.
    if (is_audio(kind) && kind != StreamKind::opus && kind != StreamKind::dts) {
      return std::make_unique<EsProbe<es::AudioParser>>(stream.pid, kind);
    }
    return nullptr;
  };
}

}  // namespace headgate::mpegts
