// What the tables and clocks of an input say of its health: when PAT, PMT and PCR were last there, which of
// its streams is silent, whether its pictures are scrambled. For the inputs of channels that may switch; the
// counters are the Inspector's. References: ISO/IEC 13818-1:2022 2.4.4.3, 2.4.4.8, 2.4.3.5; ETSI TR 101 290
// 5.2.1 (1.3 PAT, 1.5 PMT, 1.6 PID), 5.2.2 (2.3 PCR). Of a stream with several programs each PMT counts for
// all, and no stream is looked at alone. Threading: owned by one thread; allocates only when a table changed.
#pragma once

#include <array>
#include <cstdint>

#include "mpegts/packet/ts_packet.h"
#include "mpegts/psi/section.h"

namespace headgate::fastpath {

class TableWatch final : private mpegts::SectionSink {
 public:
  // A stream of pictures or sound that is silent for longer is missing. Sound of 8 kHz comes every 128 ms.
  static constexpr std::int64_t kSilenceNs = 500'000'000;

  void on_packet(const mpegts::TsPacket& packet, std::int64_t now_ns) noexcept;

  std::int64_t last_pat_ns() const noexcept { return last_pat_ns_; }  // 0: none yet, as the next two
  std::int64_t last_pmt_ns() const noexcept { return last_pmt_ns_; }
  std::int64_t last_pcr_ns() const noexcept { return last_pcr_ns_; }
  // False: its PAT lists no program.
  bool tables_expected() const noexcept { return tables_expected_; }
  // The pictures, or all sound where there are no pictures.
  bool scrambled() const noexcept;
  bool pid_missing(std::int64_t now_ns) const noexcept;

 private:
  static constexpr std::size_t kMaxStreams = 16;
  static constexpr std::size_t kMaxPatSections = 8;
  enum Role : std::uint8_t { kNone, kPat, kPmt, kPmtOfMany, kFirstStream };
  struct Stream {
    std::int64_t last_ns = 0;
    bool video = false;
    bool scrambled = false;
  };

  void on_section(mpegts::Pid pid, std::span<const std::uint8_t> section) noexcept override;
  void on_crc_error(mpegts::Pid) noexcept override {}
  void on_pat(std::span<const std::uint8_t> section) noexcept;
  void on_pmt(std::span<const std::uint8_t> section) noexcept;
  void forget_streams() noexcept;

  std::array<std::uint8_t, mpegts::kPidCount> roles_{kPat};
  mpegts::SectionAssembler pat_{mpegts::kPatPid};
  mpegts::SectionAssembler pmt_{mpegts::kNullPid};
  std::array<std::uint32_t, kMaxPatSections> pat_crc_{};
  std::uint32_t pmt_crc_ = 0;
  std::uint16_t program_number_ = 0;
  bool tables_expected_ = true;
  std::array<Stream, kMaxStreams> streams_{};
  std::size_t stream_count_ = 0;
  std::int64_t now_ns_ = 0;
  std::int64_t last_pat_ns_ = 0;
  std::int64_t last_pmt_ns_ = 0;
  std::int64_t last_pcr_ns_ = 0;
};

}  // namespace headgate::fastpath
