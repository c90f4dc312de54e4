#include "mpegts/mux/mux_tables.h"

#include <initializer_list>
#include <span>

#include "mpegts/psi/descriptors.h"
#include "mpegts/psi/tables.h"
#include "mpegts/si/sdt.h"

namespace headgate::mpegts {
namespace {

constexpr std::uint8_t kRunning = 4;  // EN 300 468 table 6

std::uint8_t stream_type(const MuxTrack& track) {
  switch (track.kind) {
    case StreamKind::mpeg2_video:
      return 0x02;
    case StreamKind::h264:
      return 0x1B;
    case StreamKind::hevc:
      return 0x24;
    case StreamKind::mpeg_audio:
      return track.sample_rate != 0 && track.sample_rate < 32'000 ? 0x04 : 0x03;
    case StreamKind::aac_adts:
      return 0x0F;
    case StreamKind::aac_latm:
      return 0x11;
    default:  // PES_private_data: the descriptor tells
      return 0x06;
  }
}

Descriptors descriptors(const MuxTrack& track) {
  Descriptors out;
  const auto add = [&](std::uint8_t tag, std::initializer_list<std::uint8_t> body) {
    append_descriptor(out, tag, std::span<const std::uint8_t>(body.begin(), body.size()));
  };
  if (track.language.size() == 3) {
    const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(track.language[i]); };
    add(0x0A, {at(0), at(1), at(2), 0});  // audio_type undefined
  }
  if (track.kind == StreamKind::ac3) add(0x6A, {0});
  if (track.kind == StreamKind::eac3) add(0x7A, {0});
  const bool aac = track.kind == StreamKind::aac_adts || track.kind == StreamKind::aac_latm;
  if (aac && track.aac_profile_and_level != 0) add(0x7C, {track.aac_profile_and_level});
  return out;
}

// EN 300 468 table 87.
std::uint8_t service_type(const MuxProgram& program) {
  bool old_sound = false;
  for (const MuxTrack& track : program.tracks) {
    if (track.kind == StreamKind::hevc) return 0x1F;
    if (track.kind == StreamKind::h264) return 0x19;
    if (track.kind == StreamKind::mpeg2_video) return 0x01;
    old_sound = old_sound || track.kind == StreamKind::mpeg_audio;
  }
  return old_sound ? 0x02 : 0x0A;
}

}  // namespace

std::vector<MuxTables::Stream> MuxTables::streams_of(const MuxProgram& program) {
  std::vector<Stream> streams;
  std::uint16_t video = kVideoPid.value;
  std::uint16_t other = kAudioPid.value;
  std::uint8_t video_id = 0xE0, audio_id = 0xC0;
  for (const MuxTrack& track : program.tracks) {
    // A second video takes its PID from the same row as sound does.
    const bool first_video = is_video(track.kind) && video == kVideoPid.value;
    const Pid pid{first_video ? video++ : other++};
    const auto type = stream_type(track);
    if (is_video(track.kind)) {
      streams.push_back({pid, video_id++});
    } else if (type == 0x06) {
      streams.push_back({pid, 0xBD});  // private_stream_1
    } else {
      streams.push_back({pid, audio_id++});
    }
  }
  return streams;
}

void MuxTables::set(const MuxProgram& program) {
  const auto streams = streams_of(program);
  Pat pat;
  pat.transport_stream_id = program.transport_stream_id;
  pat.entries = {{program.program_number, kPmtPid}};
  pat_.set(pat.to_section());

  Pmt pmt;
  pmt.program_number = program.program_number;
  if (!streams.empty()) pmt.pcr_pid = streams.front().pid;
  for (std::size_t i = 0; i < streams.size(); ++i) {
    pmt.streams.push_back({stream_type(program.tracks[i]), streams[i].pid, descriptors(program.tracks[i])});
  }
  pmt_.set(pmt.to_section());

  Sdt sdt;
  sdt.transport_stream_id = program.transport_stream_id;
  sdt.original_network_id = program.original_network_id;
  SdtService service;
  service.service_id = program.program_number;
  service.running_status = kRunning;
  service.descriptors = {service_descriptor(service_type(program), program.provider, program.service_name)};
  sdt.services = {std::move(service)};
  sdt_.set(sdt.to_section());
}

}  // namespace headgate::mpegts
