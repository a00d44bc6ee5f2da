import { definePlugin } from '@streamspace/sdk';
import { degrees, PDFDocument, rgb, StandardFonts } from 'pdf-lib';

interface Invoice {
  readonly title: string;
  readonly lines: readonly string[];
  /** A PNG, base64. */
  readonly logo: string;
}

export default definePlugin({
  onLoad({ api }) {
    api.post(
      '/invoice',
      async (request) => {
        const { title, lines, logo } = (await request.json()) as Invoice;
        const document = await PDFDocument.create();
        document.setTitle(title);
        document.setAuthor('StreamSpace');
        document.setCreationDate(new Date('2026-11-21T09:00:00Z'));
        const font = await document.embedFont(StandardFonts.Helvetica);
        const image = await document.embedPng(logo);
        const cover = document.addPage([595, 842]);
        cover.drawImage(image, { x: 40, y: 760, width: 40, height: 40 });
        cover.drawText(title, { x: 40, y: 700, size: 24, font, color: rgb(0.1, 0.2, 0.6) });
        const list = document.addPage([842, 595]);
        list.setRotation(degrees(0));
        for (const [at, line] of lines.entries()) list.drawText(line, { x: 40, y: 540 - at * 20, size: 12, font });
        const form = document.getForm();
        form.createTextField('approval').addToPage(list, { x: 40, y: 40, width: 200, height: 24 });
        form.getTextField('approval').setText('open');
        return new Response(new Uint8Array(await document.save()), { headers: { 'content-type': 'application/pdf' } });
      },
      { auth: 'public' },
    );
    api.post(
      '/read',
      async (request) => {
        const document = await PDFDocument.load(await request.arrayBuffer());
        return {
          pages: document.getPages().map((page) => page.getSize()),
          title: document.getTitle(),
          fields: document
            .getForm()
            .getFields()
            .map((field) => field.getName()),
        };
      },
      { auth: 'public' },
    );
  },
});
