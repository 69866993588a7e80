"""Train a small autoencoder on the embedded digits, look at numbers and samples.

Run it in an empty folder: it makes `first-run/` there.
"""

import sfumato

run = sfumato.train("stacked", data="digits", run="first-run", images=30_000)

found = run.evaluation
for name in found.things():
    print(f"{found.called(name):<16}PSNR {found.value('psnr', name):.2f} dB   SSIM {found.value('ssim', name):.4f}")

samples = sfumato.open("first-run").sample(16, seed=0)  # float32 (16, 1, 28, 28) in [0, 1]
print("samples:", tuple(samples.shape))
