#include "mpegts/monitor/stream_analyzer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "mpegts/monitor/es_probe.h"
#include "mpegts/psi/section.h"
#include "ts_builder.h"

namespace headgate::mpegts {
namespace {

StreamReport analyze(const std::vector<std::uint8_t>& bytes) {
  PacketReader reader;
  StreamAnalyzer analyzer{es_codec_probes()};
  constexpr std::size_t kChunk = 10'007;  // no multiple of a packet
  for (std::size_t at = 0; at < bytes.size(); at += kChunk) {
    reader.push(std::span{bytes}.subspan(at, std::min(kChunk, bytes.size() - at)));
    if (at + kChunk >= bytes.size()) reader.finish();
    while (const auto item = reader.next()) analyzer.on_packet(item->packet);
  }
  analyzer.set_sync(reader.counters(), reader.packet_size());
  return analyzer.report();
}

TEST(DumpAll, DISABLED_Print) {
  for (const char* name : {"ac3-atsc-pcr-wrap.ts","ait-eac3-eit.ts","avc-pic-timing.ts","bbb-1s-h264-aac.ts","cea608-multichannel.ts","corrupt-tei-cc-scrambled.ts","duplicates-cc.ts","dvbt-fr-hd-h264i-eac3x3-dvbsubx2.ts","dvbt-fr-hd-scrambled-csa.ts","eac3-atsc-pcr-wrap.ts","h264-aac-0.ts","h264-aac-1.ts","h264-aac-2.ts","h264-ac3dvb-0.ts","h264-ac3dvb-1.ts","h264-bframes-pcr-wrap.ts","h264-dts.ts","h264-mp2.ts","h264-opus.ts","hd-2services-eit-one-scrambled.ts","hevc-aac-0.ts","hevc-aac-1.ts","isdbtb-204byte-latm.ts","latm-aac.ts","mp3-id3-discontinuity.ts","mpeg2v-mp2-bbb.ts","mpts-dvbt-it-8prog.ts","obs-hevc-aac.ts","psi-eitpf-cat-tei.ts","psi-nit-sdt-ait-ca.ts","scte35-h264-bframes-aac-80s.ts","scte35-mpeg2v-mp2.ts","sd-h264i-bars-aacx2.ts","sdt.ts","sintel-cea608.ts","teletext-fra-psi-h264-mp2x4.ts"}) {
    const auto bytes = test::capture(name);
    if (!bytes) continue;
    const auto r = analyze(*bytes);
    std::printf("%s size=%zu packets=%lu sync=%lu/%lu skip=%lu tei=%lu cc=%lu dup=%lu scr=%lu null=%lu crc=%lu disc=%lu",
                name, r.packet_size, r.packets, r.sync_losses, r.sync_byte_errors, r.skipped_bytes, r.transport_errors, r.cc_errors, r.duplicates,
                r.scrambled, r.null_packets, r.crc_errors, r.discontinuity_indicators);
    std::uint64_t wraps = 0, jumps = 0, over = 0;
    double gap = 0;
    for (const auto& p : r.pids)
      if (p.pcr) wraps += p.pcr->wraps, jumps += p.pcr->discontinuities, over += p.pcr->over_100ms, gap = std::max(gap, p.pcr->interval_max_ms);
    std::printf(" wrap=%lu jump=%lu over100=%lu maxgap=%.1f pids=%zu dur=%.2f rate=%.0f\n", wraps, jumps, over, gap, r.pids.size(), r.duration_s, r.bitrate);
    const auto& t = r.tr101290;
    std::printf("   tr: pat %lu pmt %lu pid %lu pcrrep %lu pcrdisc %lu pts %lu cat %lu | ", t.pat_error, t.pmt_error, t.pid_error, t.pcr_repetition_error, t.pcr_discontinuity_indicator_error, t.pts_error, t.cat_error);
    for (const auto& x : r.tables) std::printf("%s(%u/%02x)=%lu ", x.name.c_str(), x.pid.value, x.table_id, x.count);
    std::printf("\n");
    for (const auto& s : r.services) {
      std::printf("   svc %u '%s' '%s' type %u pmt %u pcr %u:", s.program_number, s.name.c_str(), s.provider.c_str(), s.service_type, s.pmt_pid.value, s.pcr_pid.value);
      for (const auto& e : s.streams) {
        std::printf(" %u:%02x:%s:%s%s%s", e.pid.value, e.stream_type, to_string(e.kind), e.language.c_str(), e.present ? "" : "(absent)", e.scrambled ? "(scr)" : "");
        if (e.codec) std::printf("[%s %ux%u %uch]", e.codec->codec.c_str(), e.codec->width, e.codec->height, e.codec->channels);
      }
      std::printf("\n");
    }
  }
}

}  // namespace
}  // namespace headgate::mpegts
